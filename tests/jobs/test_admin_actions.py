"""What people do from the console: forms made of declarations, bulk actions, tabs; and who may."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework import serializers

from jobs import policies, registry, services
from jobs.access import Role
from jobs.models import AuditEntry, Job, Preset, SavedTab, Status
from jobs.registry import ActionRefused, KindAction
from jobs.roles import put_in
from jobs.secrets import MASK, unseal
from tests.jobs.conftest import stored_job

pytestmark = pytest.mark.django_db

LIST = "/admin/jobs/job/"
MARKUP = "<b onclick=alert(1)>ツ</b>"


class Size(serializers.Serializer[Any]):
    width = serializers.IntegerField(min_value=1)
    height = serializers.IntegerField(min_value=1)


class Options(serializers.Serializer[Any]):
    """One input of every sort."""

    page_url = serializers.URLField(help_text=f"Where to {MARKUP} begin.")
    depth = serializers.IntegerField(default=2, min_value=1, max_value=9)
    scheme = serializers.ChoiceField(choices=["light", "dark"], default="light")
    verify = serializers.BooleanField(default=True)
    skip = serializers.ListField(child=serializers.CharField(), default=list)
    headers = serializers.DictField(child=serializers.CharField(), default=dict)
    size = Size(required=False, allow_null=True, default=None)
    token = serializers.CharField(default="", allow_blank=True, write_only=True)


class Note(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=10)


def _note(job: Job, payload: Any, by: User) -> str:
    if payload["text"] == "no":
        raise ActionRefused("Not that.")
    return f"Noted {payload['text']}."


@pytest.fixture(autouse=True)
def _kind(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = replace(
        registry.get("test.noop"),
        name="test.forms",
        label="Fill a form",
        options=Options,
        actions=(KindAction(name="note", label="Note it", run=_note, payload=Note),),
    )
    monkeypatch.setitem(registry._kinds, kind.name, kind)


@pytest.fixture
def client(people: dict[str, User]) -> Client:
    return client_of(people["owner"])


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def viewer() -> User:
    user = User.objects.create_user("vera", is_staff=True)
    put_in(user=user, role=Role.VIEWER)
    return User.objects.get(pk=user.pk)


def filled(**changes: Any) -> dict[str, Any]:
    """What the form sends when nothing but the address is typed."""
    sent = {
        "kind": "test.forms",
        "option.pageUrl": "https://shop.example/",
        "option.depth": "2",
        "option.scheme": "light",
        "option.verify": "yes",
        "option.skip": "",
        "option.headers": "",
        "option.size.width": "",
        "option.size.height": "",
        "option.token": "",
        "name": "",
        "tags": "",
        "priority": "0",
        "runAfter": "",
    }
    return {name: value for name, value in {**sent, **changes}.items() if value is not None}


def ended(owner: User, **fields: Any) -> Job:
    options = registry.get("test.forms").clean(
        {"pageUrl": "https://shop.example/", "depth": 2, "token": "hunter2"}
    )
    return stored_job(
        owner=owner,
        **{"kind": "test.forms", "options": options, "status": Status.SUCCEEDED, **fields},
    )


def text_of(response: Any) -> str:
    return str(response.content.decode())


# New job


def test_the_picker_lists_kinds_and_says_how_closed_ones_begin(client: Client) -> None:
    page = text_of(client.get(f"{LIST}new/"))
    assert f'href="{LIST}new/?kind=test.forms"' in page
    assert "Fill a form" in page
    assert client.get(f"{LIST}new/?kind=no.such").status_code == 404
    closed = client.get(f"{LIST}new/?kind=recorder.record")
    assert closed.status_code == 302
    assert closed["Location"] == "/admin/recorder/recordingsession/add/"


def test_the_form_is_the_declaration(client: Client) -> None:
    page = text_of(client.get(f"{LIST}new/?kind=test.forms"))
    for name in ("pageUrl", "depth", "scheme", "verify", "skip", "headers", "size.width", "token"):
        assert f'name="option.{name}"' in page
    assert 'name="option.depth" value="2"' in page
    assert "1 to 9." in page
    assert MARKUP not in page
    assert "&lt;b onclick=alert(1)&gt;" in page


def test_a_filled_form_queues_a_job(client: Client, people: dict[str, User]) -> None:
    sent = filled(
        **{
            "option.skip": "/cart\n/admin\n",
            "option.headers": "X-Team: qa\nAccept: text/html",
            "option.size.width": "390",
            "option.size.height": "844",
            "option.token": "hunter2",
            "option.verify": None,
            "name": MARKUP,
            "tags": "nightly, shop",
            "priority": "7",
            "runAfter": "2026-12-24T18:00",
        }
    )
    answer = client.post(f"{LIST}new/", sent, follow=True)
    job = Job.objects.get()
    assert answer.redirect_chain[-1][0] == f"{LIST}{job.pk}/change/"
    assert job.options["skip"] == ["/cart", "/admin"]
    assert job.options["headers"] == {"X-Team": "qa", "Accept": "text/html"}
    assert job.options["size"] == {"width": 390, "height": 844}
    assert job.options["verify"] is False
    assert unseal(job.options["token"]) == "hunter2"
    assert (job.name, job.tags, job.priority) == (MARKUP, ["nightly", "shop"], 7)
    assert job.run_after is not None
    assert job.owner == people["owner"]
    assert MARKUP not in text_of(answer)
    assert "hunter2" not in text_of(answer)


def test_errors_stand_at_their_fields_and_nothing_typed_is_lost(client: Client) -> None:
    sent = filled(
        **{
            "option.pageUrl": "nowhere",
            "option.depth": "many",
            "option.size.width": "390",
            "option.headers": "no colon",
            "option.token": "hunter2",
            "name": "My crawl",
            "tags": ", ".join(f"t{n}" for n in range(30)),
            "runAfter": "soon",
        }
    )
    answer = client.post(f"{LIST}new/", sent)
    page = text_of(answer)
    assert answer.status_code == 400
    assert not Job.objects.exists()
    for typed in ("nowhere", "many", "390", "no colon", "hunter2", "My crawl", "t29", "soon"):
        assert typed in page
    assert "A date and a time, such as" in page
    sent["runAfter"] = ""
    page = text_of(client.post(f"{LIST}new/", sent))
    assert "Enter a valid URL." in page
    assert "A valid integer is required." in page
    at = page.index('name="option.size.height"')
    assert "This field is required." in page[at : at + 600]
    sent |= filled()
    sent["tags"] = ", ".join(f"t{n}" for n in range(30))
    assert "At most 20 tags; these are 30." in text_of(client.post(f"{LIST}new/", sent))


def test_the_same_form_sent_twice_is_one_job(client: Client) -> None:
    key = re.search(
        r'name="key" value="([^"]+)"', text_of(client.get(f"{LIST}new/?kind=test.forms"))
    )
    assert key is not None
    for _ in range(2):
        assert client.post(f"{LIST}new/", filled(key=key[1])).status_code == 302
    assert Job.objects.count() == 1


def test_a_preset_fills_the_form_and_typing_wins(client: Client, people: dict[str, User]) -> None:
    services.save_preset(
        kind="test.forms",
        name="Deep",
        options={"depth": 9, "scheme": "dark", "token": "secret-of-preset"},
        by=people["owner"],
    )
    chosen = filled(preset="Deep", fill="yes", filled="", **{"option.scheme": "light"})
    chosen["option.skip"] = "/typed"
    page = text_of(client.post(f"{LIST}new/", chosen))
    assert 'name="option.depth" value="9"' in page
    assert "/typed" in page
    assert "secret-of-preset" not in page
    assert "kept unless you type another" in page
    sent = filled(preset="Deep", **{"option.depth": "9", "option.scheme": "dark"})
    client.post(f"{LIST}new/", sent)
    job = Job.objects.get()
    assert (job.preset, job.options["depth"], job.options["scheme"]) == ("Deep", 9, "dark")
    assert unseal(job.options["token"]) == "secret-of-preset"


def test_a_preset_is_saved_from_the_form(client: Client) -> None:
    sent = filled(save="yes", presetName="Shallow", **{"option.depth": "1"})
    page = text_of(client.post(f"{LIST}new/", sent, follow=True))
    assert "Saved the preset Shallow." in page
    preset = Preset.objects.get()
    assert preset.options == {"page_url": "https://shop.example/", "depth": 1}
    again = client.post(f"{LIST}new/", sent)
    assert again.status_code == 400
    assert "has a preset &#x27;Shallow&#x27; already" in text_of(again)
    assert not Job.objects.exists()


# One job


def test_a_rerun_shows_the_differences_before_it_starts(
    client: Client, people: dict[str, User]
) -> None:
    job = ended(people["owner"], name="Crawl")
    url = f"{LIST}{job.pk}/rerun/"
    form = text_of(client.get(url))
    assert 'name="option.depth" value="2"' in form
    assert "hunter2" not in form
    sent = filled(name="Crawl", **{"option.depth": "5", "option.skip": MARKUP})
    review = text_of(client.post(url, sent))
    rows = re.findall(r"<tr><td>(\w+)</td>", review)
    assert sorted(rows) == ["depth", "skip"]
    assert MARKUP not in review
    assert Job.objects.count() == 1
    back = text_of(client.post(url, {**sent, "change": "yes"}))
    assert 'name="option.depth" value="5"' in back
    done = client.post(url, {**sent, "confirmed": "yes"}, follow=True)
    child = Job.objects.exclude(pk=job.pk).get()
    assert child.parent_id == job.pk
    assert (child.options["depth"], child.options["skip"]) == (5, [MARKUP])
    assert unseal(child.options["token"]) == "hunter2"
    page = text_of(done)
    assert f'href="{LIST}{job.pk}/change/"' in page
    original = text_of(client.get(f"{LIST}{job.pk}/change/"))
    assert f'href="{LIST}{child.pk}/change/"' in original


def test_a_rerun_refuses_what_does_not_fit_at_the_field(
    client: Client, people: dict[str, User]
) -> None:
    url = f"{LIST}{ended(people['owner']).pk}/rerun/"
    answer = client.post(url, filled(confirmed="yes", **{"option.depth": "99"}))
    assert answer.status_code == 400
    assert "less than or equal to 9" in text_of(answer)
    assert Job.objects.count() == 1
    running = stored_job(owner=people["owner"], kind="test.forms", status=Status.RUNNING)
    refused = client.get(f"{LIST}{running.pk}/rerun/", follow=True)
    assert "cancel it first" in text_of(refused)


def test_editing_changes_options_only_while_it_waits(
    client: Client, people: dict[str, User]
) -> None:
    waiting = ended(people["owner"], status=Status.QUEUED)
    url = f"{LIST}{waiting.pk}/edit/"
    assert 'name="option.depth"' in text_of(client.get(url))
    sent = filled(name="Renamed", tags="a,b", priority="3", shared="yes", **{"option.depth": "4"})
    assert client.post(url, sent).status_code == 302
    waiting.refresh_from_db()
    assert (waiting.name, waiting.tags, waiting.priority) == ("Renamed", ["a", "b"], 3)
    assert waiting.shared
    assert waiting.options["depth"] == 4
    assert unseal(waiting.options["token"]) == "hunter2"
    over = ended(people["owner"])
    page = text_of(client.get(f"{LIST}{over.pk}/edit/"))
    assert 'name="option.depth"' not in page
    bad = client.post(f"{LIST}{over.pk}/edit/", {"name": "x" * 300, "tags": "", "priority": "0"})
    assert bad.status_code == 400
    assert "At most 200 characters" in text_of(bad)


def test_sharing_cancelling_and_killing(client: Client, people: dict[str, User]) -> None:
    job = stored_job(owner=people["owner"], status=Status.RUNNING)
    client.post(f"{LIST}{job.pk}/share/")
    assert Job.objects.get(pk=job.pk).shared
    assert client.post(f"{LIST}{job.pk}/cancel/", {"reason": "wrong"}).json() == {}
    asked = Job.objects.get(pk=job.pk)
    assert asked.cancel_requested_at is not None
    assert asked.cancel_forced_at is None
    client.post(f"{LIST}{job.pk}/cancel/", {"force": "yes"})
    assert Job.objects.get(pk=job.pk).cancel_forced_at is not None
    over = stored_job(owner=people["owner"], status=Status.FAILED)
    refused = client.post(f"{LIST}{over.pk}/cancel/")
    assert refused.status_code == 409
    assert "already ended" in refused.json()["detail"]
    assert client.get(f"{LIST}{over.pk}/cancel/").status_code == 405


def test_deleting_asks_and_is_on_record(client: Client, people: dict[str, User]) -> None:
    job = ended(people["owner"], name=MARKUP)
    url = f"{LIST}{job.pk}/remove/"
    asked = text_of(client.get(url))
    assert MARKUP not in asked
    assert Job.objects.filter(pk=job.pk).exists()
    client.post(url, {"reason": "not needed"})
    assert not Job.objects.filter(pk=job.pk).exists()
    entry = AuditEntry.objects.get(action="job.delete")
    assert (entry.outcome, entry.data) == ("done", {"reason": "not needed"})
    running = stored_job(owner=people["owner"], status=Status.RUNNING)
    refused = client.post(f"{LIST}{running.pk}/remove/", follow=True)
    assert "cancel it first" in text_of(refused)


def test_an_action_of_the_kind_has_its_form(client: Client, people: dict[str, User]) -> None:
    job = ended(people["owner"])
    url = f"{LIST}{job.pk}/do/note/"
    assert f'href="{url}"' in text_of(client.get(f"{LIST}{job.pk}/change/"))
    long = client.post(url, {"option.text": "far too long a text"})
    assert long.status_code == 400
    assert "no more than 10 characters" in text_of(long)
    assert "Not that." in text_of(client.post(url, {"option.text": "no"}, follow=True))
    assert "Noted this." in text_of(client.post(url, {"option.text": "this"}, follow=True))
    other = client.get(f"{LIST}{job.pk}/do/nothing/", follow=True)
    assert "no action" in text_of(other)


def test_the_audit_is_for_owners_and_admins(client: Client, people: dict[str, User]) -> None:
    job = stored_job(owner=people["owner"], status=Status.RUNNING, shared=True)
    services.cancel(job=job, by=people["superuser"], reason=MARKUP)
    page = text_of(client.get(f"{LIST}{job.pk}/change/"))
    assert "job.cancel" in page
    assert MARKUP not in page
    assert 'data-tab="audit"' not in text_of(
        client_of(people["other"]).get(f"{LIST}{job.pk}/change/")
    )


# Who may


def test_a_viewer_sees_no_button_that_would_be_refused(people: dict[str, User]) -> None:
    job = ended(people["owner"], shared=True)
    watching = client_of(viewer())
    pages = [text_of(watching.get(url)) for url in ("/admin/", LIST, f"{LIST}{job.pk}/change/")]
    for page in pages:
        for way in ("/rerun/", "/edit/", "/remove/", "/share/", "/do/", "job/new/", "<job-cancel"):
            assert way not in page
        assert "New recording" not in page
        assert 'name="action"' not in page
    for way in ("rerun", "edit", "remove", "do/note"):
        assert watching.get(f"{LIST}{job.pk}/{way}/").status_code == 403
        assert watching.post(f"{LIST}{job.pk}/{way}/").status_code == 403
    for way in ("cancel", "share"):
        assert watching.post(f"{LIST}{job.pk}/{way}/").status_code == 403
    assert watching.get(f"{LIST}new/").status_code == 403
    assert Job.objects.count() == 1


def test_an_operator_may_run_shared_work_again_but_not_change_it(people: dict[str, User]) -> None:
    job = ended(people["owner"], shared=True, options={"page_url": "https://shop.example/"})
    client = client_of(people["other"])
    page = text_of(client.get(f"{LIST}{job.pk}/change/"))
    assert f"{LIST}{job.pk}/rerun/" in page
    assert f"{LIST}{job.pk}/edit/" not in page
    assert client.get(f"{LIST}{job.pk}/edit/").status_code == 403
    hidden = ended(people["owner"])
    for way in ("rerun", "edit", "remove"):
        assert client.get(f"{LIST}{hidden.pk}/{way}/").status_code == 404


# Many jobs


def bulk(client: Client, action: str, *jobs: Job, **more: str) -> str:
    chosen = {"action": action, "_selected_action": [str(job.pk) for job in jobs], **more}
    return text_of(client.post(LIST, chosen, follow=True))


def test_bulk_actions_say_what_really_happened(client: Client, people: dict[str, User]) -> None:
    mine, again = ended(people["owner"]), ended(people["owner"])
    waiting = stored_job(owner=people["owner"])
    shared = stored_job(owner=people["other"], status=Status.FAILED, shared=True)
    assert "Run 3 jobs again?" in bulk(client, "rerun_selected", mine, again, waiting, shared)
    said = bulk(client, "rerun_selected", mine, again, waiting, shared, confirmed="yes")
    assert "Jobs: 3 queued again, 1 not ended yet." in said
    said = bulk(client, "tag_selected", mine, shared, confirmed="yes", add="x, y", remove="y")
    assert "Jobs: 1 tagged, 1 not yours to change." in said
    assert Job.objects.get(pk=mine.pk).tags == ["x"]
    said = bulk(client, "tag_selected", mine, confirmed="yes", add="x")
    assert "Jobs: 1 already so." in said
    said = bulk(client, "tag_selected", mine, confirmed="yes", add="a" * 60)
    assert "1 refused" in said
    assert "At most 50 characters a tag" in said
    assert "Delete 2 jobs?" in bulk(client, "delete_ended", mine, again, waiting)
    said = bulk(client, "delete_ended", mine, again, waiting, shared, confirmed="yes")
    assert "Jobs: 2 deleted, 1 not ended yet, 1 not yours to change." in said
    assert not Job.objects.filter(pk__in=[mine.pk, again.pk]).exists()
    assert Job.objects.filter(pk=shared.pk).exists()


# The list


def names(client: Client, query: str) -> list[str]:
    return re.findall(
        r'<span class="td-strong">(\w+)</span>', text_of(client.get(f"{LIST}{query}"))
    )


def test_every_filter_is_in_the_address(client: Client, people: dict[str, User]) -> None:
    parent = ended(people["owner"], name="Parent", reason="odd", status=Status.FAILED)
    stored_job(owner=people["owner"], name="Child", parent=parent, tags=["a&b", "c"])
    stored_job(owner=people["other"], name="Theirs", shared=True)
    at = parent.created_at.isoformat().replace("+", "%2B")
    assert names(client, "?kind=test.forms") == ["Parent"]
    assert names(client, "?owner=bob") == ["Theirs"]
    assert names(client, "?owner=nobody-here") == []
    assert names(client, "?tag=a%26b") == ["Child"]
    assert names(client, "?tag=b") == []
    assert names(client, "?reason=odd") == ["Parent"]
    assert names(client, f"?parent={parent.pk}") == ["Child"]
    assert names(client, "?parent=nonsense") == []
    assert names(client, "?period=1h") == ["Theirs", "Child", "Parent"]
    assert names(client, f"?until={at}") == []
    assert "Parent" in names(client, f"?since={at}")
    assert "Since is no time: soon" in text_of(client.get(f"{LIST}?since=soon"))
    page = text_of(client.get(f"{LIST}?tag=%3Cb%3Ex"))
    assert "<b>x" not in page


def test_the_chips_count_each_state(client: Client, people: dict[str, User]) -> None:
    for status in (Status.QUEUED, Status.QUEUED, Status.FAILED):
        stored_job(owner=people["owner"], status=status)
    page = text_of(client.get(f"{LIST}?kind=test.noop"))
    assert "Queued <small>2</small>" in page
    assert 'href="?kind=test.noop&amp;status__exact=failed"' in page
    counts = client.get(f"{LIST}counts/").json()
    assert counts == {
        "queued": "2",
        "running": "0",
        "succeeded": "0",
        "failed": "1",
        "cancelled": "0",
    }


def test_tabs_are_kept_on_the_server_for_their_owner(
    client: Client, people: dict[str, User]
) -> None:
    url = f"{LIST}tabs/save/"
    query = "kind=test.noop&status__exact=failed&evil=1&p=3"
    page = text_of(client.post(url, {"name": MARKUP, "query": query}, follow=True))
    tab = SavedTab.objects.get()
    assert tab.query == "status__exact=failed&kind=test.noop"
    assert MARKUP not in page
    assert f"{LIST}tabs/{tab.pk}/remove/" in page
    client.post(url, {"name": MARKUP, "query": "kind=test.forms"})
    tab.refresh_from_db()
    assert tab.query == "kind=test.forms"
    for bad in ({"name": " ", "query": query}, {"name": "x" * 41, "query": query}, {"name": "x"}):
        client.post(url, bad)
    assert SavedTab.objects.count() == 1
    other = client_of(people["other"])
    assert "&lt;b onclick" not in text_of(other.get(LIST))
    assert other.post(f"{LIST}tabs/{tab.pk}/remove/").status_code == 404
    client.post(f"{LIST}tabs/{tab.pk}/remove/")
    assert not SavedTab.objects.exists()


@pytest.mark.parametrize("path", ["", "?status__exact=queued&q=job&tag=a", "{id}/change/"])
def test_pages_cost_the_same_however_much_there_is(people: dict[str, User], path: str) -> None:
    client = client_of(people["superuser"])
    job = stored_job(owner=people["owner"], tags=["a"])

    def more(count: int) -> None:
        for n in range(count):
            stored_job(owner=people["owner"], parent=job, tags=["a"])
            SavedTab.objects.create(
                owner=people["superuser"],
                name=f"{count}-{n}",
                query="q=1",
                created_at=timezone.now(),
            )

    def cost() -> int:
        policies.forget()  # read once a second: now, each time
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"{LIST}{path.format(id=job.pk)}").status_code == 200
        return len(queries)

    more(1)
    one = cost()
    more(18)
    assert cost() == one


def test_a_mask_sent_back_is_the_secret_it_stands_for(people: dict[str, User]) -> None:
    job = ended(people["owner"])
    child = services.rerun(job=job, by=people["owner"], overrides={"token": MASK})
    assert unseal(child.options["token"]) == "hunter2"
