"""The documents API: keeping, finding, changing, deleting, and whose documents are whose."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from documents import search, services
from documents.models import Document, ReadState
from documents.services.removing import finish_purge
from jobs import roles
from jobs.access import Role
from jobs.models import AuditEntry, Job
from tests.documents import samples
from tests.documents.conftest import Store

pytestmark = pytest.mark.django_db(transaction=True)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def alice(db: None) -> User:
    user = User.objects.create_user("alice")
    roles.put_in(user=user, role=Role.OPERATOR)
    return user


@pytest.fixture
def bob(db: None) -> User:
    user = User.objects.create_user("bob")
    roles.put_in(user=user, role=Role.OPERATOR)
    return user


@pytest.fixture
def victor(db: None) -> User:
    user = User.objects.create_user("victor")
    roles.put_in(user=user, role=Role.VIEWER)
    return user


def upload(client: Client, name: str, data: bytes, **fields: Any) -> Any:
    file = SimpleUploadedFile(name, data)
    return client.post("/api/documents/", {"file": file, **fields})


def incoming() -> list[str]:
    folder = settings.DATA_DIR / "incoming"
    return [path.name for path in folder.glob("*")] if folder.exists() else []


def test_a_file_is_kept_hashed_and_queued_for_reading(alice: User) -> None:
    client = client_of(alice)
    data = samples.pdf()
    answer = upload(client, "advice.pdf", data, tags="march, bank", shared="true")
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert told["sha256"] == hashlib.sha256(data).hexdigest()
    assert (told["sizeBytes"], told["mediaType"]) == (len(data), "application/pdf")
    assert (told["tags"], told["shared"], told["reading"]) == (["march", "bank"], True, True)
    assert Job.objects.get(pk=told["readJobId"]).kind == "documents.read"
    got = client.get(told["downloadUrl"])
    assert b"".join(got.streaming_content) == data  # type: ignore[attr-defined]
    assert got["ETag"] == f'"{told["sha256"]}"'
    part = client.get(told["downloadUrl"], HTTP_RANGE="bytes=5-9")
    assert (part.status_code, b"".join(part.streaming_content)) == (206, data[5:10])  # type: ignore[attr-defined]
    again = client.get(told["downloadUrl"], HTTP_IF_NONE_MATCH=got["ETag"])
    assert again.status_code == 304
    assert incoming() == []


@pytest.mark.parametrize(
    ("name", "data", "status", "code"),
    [
        ("empty.pdf", b"", 400, "empty_file"),
        ("picture.pdf", samples.picture(), 415, "content_mismatch"),
        ("cut.docx", samples.docx()[:200], 415, "content_mismatch"),
        ("text.png", b"just words", 415, "content_mismatch"),
    ],
)
def test_what_is_not_what_it_says_is_refused(
    alice: User, name: str, data: bytes, status: int, code: str
) -> None:
    answer = upload(client_of(alice), name, data)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Document.objects.exists()
    assert incoming() == []
    refused = AuditEntry.objects.get(action="document.upload")
    assert refused.outcome == "refused"


def test_too_large_is_refused_before_it_is_kept(alice: User, settings: Any) -> None:
    settings.MAX_UPLOAD_MB = 1
    answer = upload(client_of(alice), "big.txt", b"x" * (1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert "MAX_UPLOAD_MB" in answer.json()["detail"]
    declared = client_of(alice).generic(
        "POST",
        "/api/documents/",
        b"",
        content_type="multipart/form-data; boundary=x",
        CONTENT_LENGTH=str(10 * 1024**3),
    )
    assert declared.status_code == 413
    assert incoming() == []


def test_several_files_at_once_each_have_their_answer(alice: User) -> None:
    files = [
        SimpleUploadedFile("a.txt", b"one"),
        SimpleUploadedFile("b.pdf", b"not a pdf"),
        SimpleUploadedFile("c.csv", b"a,b\n1,2\n"),
    ]
    answer = client_of(alice).post("/api/documents/", {"files": files})
    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 415, 201]
    assert results[1]["problem"]["code"] == "content_mismatch"
    assert Document.objects.count() == 2


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("inv\u202etxt.txt", "invtxt.txt"),
        ("n" * 300 + ".txt", "n" * 196 + ".txt"),
        ("Ångström ☃.txt", "Ångström ☃.txt"),
    ],
)
def test_names_are_kept_without_what_deceives(alice: User, given: str, kept: str) -> None:
    client = client_of(alice)
    begun = client.post(
        "/api/uploads", {"filename": given, "fileSize": 2}, content_type="application/json"
    )
    assert begun.status_code == 201, begun.content
    assert begun.json()["filename"] == kept
    assert bool(begun.json()["warnings"]) == (given != kept)


def test_the_same_content_is_offered_and_reused_only_when_asked(alice: User, bob: User) -> None:
    client = client_of(alice)
    first = upload(client, "one.txt", b"same words").json()
    second = upload(client, "two.txt", b"same words").json()
    assert second["created"] is True
    assert [each["id"] for each in second["duplicates"]] == [first["id"]]
    reused = upload(client, "three.txt", b"same words", onDuplicate="reuse").json()
    assert (reused["created"], Document.objects.count()) == (False, 2)
    assert reused["id"] == second["id"]
    # Whoever may not see the other one does not learn of it.
    assert upload(client_of(bob), "mine.txt", b"same words").json()["duplicates"] == []


def test_the_short_form_answers_in_its_own_shape(alice: User) -> None:
    answer = client_of(alice).post("/api/uploads", {"file": SimpleUploadedFile("a.csv", b"a;b\n")})
    assert answer.status_code == 201
    told = answer.json()
    assert list(told) == ["id", "url", "filename", "fileSize", "mimeType", "storageProvider", "warnings"]  # fmt: skip
    assert (told["filename"], told["fileSize"], told["mimeType"]) == ("a.csv", 4, "text/csv")
    assert told["storageProvider"] == "local"


def test_an_upload_in_pieces_goes_on_after_a_break(alice: User, bob: User) -> None:
    client = client_of(alice)
    data = b"0123456789" * 1000
    begun = client.post(
        "/api/uploads",
        {"filename": "long.txt", "fileSize": len(data), "tags": ["slow"]},
        content_type="application/json",
    )
    url = begun.headers["Location"]

    def send(offset: int, piece: bytes, who: Client = client) -> Any:
        return who.generic(
            "PATCH",
            url,
            piece,
            content_type="application/offset+octet-stream",
            headers={"Upload-Offset": str(offset)},
        )

    assert send(0, data[:4000]).status_code == 204
    assert client.head(url).headers["Upload-Offset"] == "4000"
    wrong = send(0, data[:10])
    assert (wrong.status_code, wrong.json()["code"]) == (409, "wrong_offset")
    assert wrong.headers["Upload-Offset"] == "4000"
    assert send(4000, data).status_code == 413, "more than was declared"
    assert client.head(url).headers["Upload-Offset"] == "4000"
    assert send(4000, data[4000:], client_of(bob)).status_code == 404
    done = send(4000, data[4000:])
    assert done.status_code == 200, done.content
    document = Document.objects.get(pk=done.json()["id"])
    assert document.tags == ["slow"]
    assert document.current is not None
    with services.open_version(document.current) as file:
        assert file.read() == data
    assert default_storage.listdir("uploads")[1] == []
    assert incoming() == []
    assert send(len(data), b"").json()["code"] == "finished"


def test_an_upload_in_pieces_is_examined_like_any_other(alice: User) -> None:
    client = client_of(alice)
    too_long = {"filename": "x.bin", "fileSize": 10 * 1024**3}
    assert client.post("/api/uploads", too_long, content_type="application/json").status_code == 413
    begun = client.post(
        "/api/uploads", {"filename": "x.pdf", "fileSize": 4}, content_type="application/json"
    )
    answer = client.generic(
        "PATCH",
        begun.headers["Location"],
        b"word",
        content_type="application/offset+octet-stream",
        headers={"Upload-Offset": "0"},
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "content_mismatch")
    assert client.get(begun.headers["Location"]).status_code == 404
    assert not Document.objects.exists()


def test_a_new_version_takes_over_and_the_old_one_stays(alice: User) -> None:
    client = client_of(alice)
    url = upload(client, "plan.txt", b"first").json()["url"]
    second = client.post(f"{url}/versions", {"file": SimpleUploadedFile("plan v2.txt", b"second")})
    assert second.status_code == 201, second.content
    assert (second.json()["version"], second.json()["name"]) == (2, "plan v2.txt")
    versions = client.get(f"{url}/versions/").json()["results"]
    assert [(each["number"], each["name"]) for each in versions] == [(2, "plan v2.txt"), (1, "plan.txt")]  # fmt: skip
    old = client.get(f"{url}/download?version=1")
    assert b"".join(old.streaming_content) == b"first"  # type: ignore[attr-defined]
    same = client.post(f"{url}/versions", {"file": SimpleUploadedFile("x.txt", b"second")})
    assert same.json()["created"] is False
    assert client.get(f"{url}/download?version=3").status_code == 404


def test_delete_restore_and_the_trail_of_both(alice: User) -> None:
    client = client_of(alice)
    told = upload(client, "plan.txt", b"some rare words").json()
    url = told["url"]
    assert client.get("/api/documents/?q=plan").json()["results"]
    gone = client.delete(url, {"reason": "wrong file"}, content_type="application/json")
    assert gone.status_code == 204
    assert client.get("/api/documents/?q=plan").json()["results"] == []
    assert client.get(told["downloadUrl"]).status_code == 410
    assert client.patch(url, {"tags": ["x"]}, content_type="application/json").status_code == 410
    [deleted] = client.get("/api/documents/?deleted=true").json()["results"]
    assert (deleted["deleteReason"], deleted["deletedBy"]) == ("wrong file", "alice")
    assert Job.objects.get(pk=told["readJobId"]).status == "cancelled"
    assert client.post(f"{url}/restore").status_code == 200
    assert client.post(f"{url}/restore").json()["code"] == "not_deleted"
    assert client.get("/api/documents/?q=plan").json()["results"]
    b"".join(client.get(told["downloadUrl"]).streaming_content)  # type: ignore[attr-defined]
    client.get(url)
    client.get(f"{url}/preview")
    trail = client.get(f"{url}/audit").json()["results"]
    done = [entry["action"] for entry in reversed(trail) if entry["outcome"] == "done"]
    assert done == ["document.upload", "document.delete", "document.restore", "document.download", "document.view", "document.preview"]  # fmt: skip
    assert {entry["by"] for entry in trail} == {"alice"}
    listed = AuditEntry.objects.filter(action="document.list").first()
    assert listed is not None
    assert listed.data["documents"] == [told["id"]]


def test_bytes_go_after_the_retention_time_and_not_before(alice: User) -> None:
    client = client_of(alice)
    told = upload(client, "plan.txt", b"words").json()
    client.delete(told["url"])
    document = Document.objects.get(pk=told["id"])
    version = document.current
    assert version is not None
    long_ago = timezone.now() - timedelta(days=1)
    assert services.purge(document=document, before=long_ago) == 0
    assert default_storage.exists(version.storage_name)
    assert services.purge(document=document, before=timezone.now()) == 5
    assert not default_storage.exists(version.storage_name)
    version.refresh_from_db()
    assert version.storage_name == ""
    assert client.get(told["url"]).status_code == 404
    with pytest.raises(services.DocumentGone):
        services.restore(document=document, by=alice)
    assert finish_purge(document=document) == 0


def test_documents_are_seen_by_their_owner_and_whom_they_are_shared_with(
    alice: User, bob: User, victor: User
) -> None:
    owner = client_of(alice)
    told = upload(owner, "plan.txt", b"words").json()
    url = told["url"]
    paths = ["", "/download", "/preview", "/versions", "/audit", "/comments", "/structure"]
    for other in (client_of(bob), client_of(victor)):
        assert [other.get(url + path).status_code for path in paths] == [404] * len(paths)
    owner.patch(url, {"shared": True}, content_type="application/json")
    reader = client_of(bob)
    assert reader.get(url).json()["canChange"] is False
    for method, path, body in (
        ("patch", url, {"tags": ["x"]}),
        ("delete", url, {}),
        ("post", f"{url}/restore", {}),
    ):
        answer = getattr(reader, method)(path, body, content_type="application/json")
        assert answer.status_code in {403, 409}, (method, answer.content)
    assert upload(client_of(victor), "mine.txt", b"x").status_code == 403
    assert Client().get(url).status_code in {401, 403}
    assert client_of(victor).post(f"{url}/comments", {"body": "x"}).status_code == 403


def test_documents_are_seen_by_role_not_by_flags(
    store: Store, alice: User, bob: User, victor: User, owner: User
) -> None:
    mine = store("mine.txt", b"one", by=alice)
    shared = store("shared.txt", b"two", by=alice, shared=True)

    def seen(user: User) -> set[Document]:
        return set(Document.objects.visible_to(User.objects.get(pk=user.pk)))

    assert seen(alice) == seen(owner) == {mine, shared}
    assert seen(bob) == seen(victor) == {shared}
    roles.put_in(user=alice, role=None)
    # Their own no more either; nor of whoever has the flag of the console alone.
    assert seen(alice) == set()
    bare = User.objects.create_user("bare", is_staff=True)
    bare.groups.clear()
    assert seen(bare) == set()
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert seen(owner) == set()
    assert set(Document.objects.visible_to(None)) == set()


def test_listing_filters_pages_and_asks_the_same_few_questions(
    alice: User, django_assert_max_num_queries: Any
) -> None:
    client = client_of(alice)
    for number in range(5):
        upload(client, f"file {number}.txt", f"text {number}".encode(), tags=f"t{number % 2}")
    first = client.get("/api/documents/?limit=2").json()
    assert [each["name"] for each in first["results"]] == ["file 4.txt", "file 3.txt"]
    rest = client.get(first["next"]).json()
    assert [each["name"] for each in rest["results"]] == ["file 2.txt", "file 1.txt"]
    assert len(client.get("/api/documents/?tag=t1").json()["results"]) == 2
    assert len(client.get("/api/documents/?tag=t1&tag=t0").json()["results"]) == 0
    named = client.get("/api/documents/?ordering=name&owner=me&mediaType=text/plain").json()
    assert [each["name"] for each in named["results"]][:2] == ["file 0.txt", "file 1.txt"]
    assert client.get("/api/documents/?colour=red").status_code == 400
    assert client.get(f"/api/documents/?readState={ReadState.READ}").json()["results"] == []
    with django_assert_max_num_queries(6):
        client.get("/api/documents/")


def test_a_word_that_was_split_at_a_lines_end_is_found_whole_and_in_parts(
    database: str, store: Store, owner: User
) -> None:
    document = store("a.txt", b"x")
    search.index(document=document, text="the docu-\nmentation of a well-\nknown thing 3-\n4")
    everything = Document.objects.visible_to(owner)
    for words in ("documentation", "docu mentation", "well known", "wellknown"):
        assert list(search.matching(everything, words)) == [document], words
    assert list(search.matching(everything, "34")) == []


def test_comments_are_their_authors(alice: User, bob: User) -> None:
    owner, other = client_of(alice), client_of(bob)
    url = upload(owner, "plan.txt", b"words", shared="true").json()["url"]
    made = other.post(
        f"{url}/comments",
        json.dumps({"body": "Look here", "place": {"page": 1, "start": 0, "end": 5}}),
        content_type="application/json",
    )
    assert made.status_code == 201, made.content
    comment = f"{url}/comments/{made.json()['id']}"
    body = {"body": "changed"}
    assert owner.patch(comment, body, content_type="application/json").status_code == 403
    assert other.patch(comment, body, content_type="application/json").json()["body"] == "changed"
    assert owner.get(f"{url}/comments").json()["results"][0]["place"]["end"] == 5
    bad = {"body": "x", "place": {"page": -1, "shelf": 2}}
    refused = owner.post(f"{url}/comments", json.dumps(bad), content_type="application/json")
    assert "page, shelf" in refused.json()["errors"]["place"][0]
    assert other.delete(comment).status_code == 204
    assert owner.get(f"{url}/comments").json()["results"] == []


def test_a_page_is_drawn_once_in_its_own_process(alice: User) -> None:
    client = client_of(alice)
    url = upload(client, "advice.pdf", samples.pdf(), read="false").json()["url"]
    assert client.get(f"{url}/preview").json()["drawable"] is True
    picture = client.get(f"{url}/preview/pages/1")
    assert (picture.status_code, picture["Content-Type"]) == (200, "image/webp")
    body = b"".join(picture.streaming_content)  # type: ignore[attr-defined]
    assert body[:4] == b"RIFF"
    # The next page was drawn along; the sandbox policy comes with every picture.
    assert Document.objects.get().current.derived.count() == 2  # type: ignore[union-attr]
    assert "sandbox" in picture["Content-Security-Policy"]
    assert client.get(f"{url}/preview/pages/9").json()["code"] == "not_drawable"
    assert client.get(f"{url}/preview/text").json()["code"] == "not_read"
    broken = upload(client, "cut.pdf", samples.pdf()[:500], read="false").json()["url"]
    assert "damaged" in client.get(f"{broken}/preview/pages/1").json()["detail"]
