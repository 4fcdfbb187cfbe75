"""/api/auth, /api/user and /api/admin: shapes, roles, and what may not happen."""

from __future__ import annotations

import csv
import io
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from config import people, tickets, tokens
from config.models import LoginFailure, SocketTicket
from jobs import access, audit, roles, services
from jobs.access import Role
from jobs.logins import Login, Standing
from jobs.models import AuditEntry, Job, Status
from tests.jobs.conftest import stored_artifact, stored_job

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def person(name: str, role: Role | None) -> User:
    user = User.objects.create_user(name, password=PASSWORD)
    roles.put_in(user=user, role=role)
    return user


@pytest.fixture
def cast(db: None) -> dict[str, User]:
    return {
        "viewer": person("viewer", Role.VIEWER),
        "operator": person("operator", Role.OPERATOR),
        "admin": person("admin", Role.ADMIN),
        "nobody": person("nobody", None),
    }


def api(pair: Any = None) -> APIClient:
    client = APIClient()
    if pair:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    return client


def login(name: str, password: str = PASSWORD) -> Any:
    answer = api().post("/api/auth/login", {"username": name, "password": password})
    assert answer.status_code == 200, answer.content
    return answer.json()


def client_of(name: str) -> APIClient:
    return api(login(name))


ROUTES = [
    # method, path, body, and the answer to: anonymous, nobody, viewer, operator, admin
    ("get", "/api/auth/me", None, (401, 200, 200, 200, 200)),
    ("post", "/api/auth/ticket", {}, (401, 403, 201, 201, 201)),
    ("get", "/api/user/profile", None, (401, 200, 200, 200, 200)),
    ("patch", "/api/user/profile", {"firstName": "Ann"}, (401, 200, 200, 200, 200)),
    ("get", "/api/user/settings", None, (401, 403, 200, 200, 200)),
    ("patch", "/api/user/settings", {"theme": "dark"}, (401, 403, 200, 200, 200)),
    ("get", "/api/user/jobs", None, (401, 403, 200, 200, 200)),
    ("get", "/api/user/files", None, (401, 403, 200, 200, 200)),
    ("get", "/api/admin/users", None, (401, 403, 403, 403, 200)),
    ("get", "/api/admin/users/{id}", None, (401, 403, 403, 403, 200)),
    ("patch", "/api/admin/users/{id}", {"email": "a@b.example"}, (401, 403, 403, 403, 200)),
    ("post", "/api/admin/users/{id}/unlock", {}, (401, 403, 403, 403, 204)),
    (
        "post",
        "/api/admin/users",
        {"username": "new", "password": PASSWORD},
        (401, 403, 403, 403, 201),
    ),
    ("get", "/api/admin/jobs", None, (401, 403, 403, 403, 200)),
    ("get", "/api/admin/stats", None, (401, 403, 403, 403, 200)),
    ("get", "/api/admin/audit", None, (401, 403, 403, 403, 200)),
    ("get", "/api/admin/audit/export", None, (401, 403, 403, 403, 200)),
]


@pytest.mark.parametrize(("method", "path", "body", "expected"), ROUTES)
def test_each_route_serves_the_roles_that_it_is_for(
    cast: dict[str, User], method: str, path: str, body: Any, expected: tuple[int, ...]
) -> None:
    url = path.format(id=cast["viewer"].pk)
    clients = [api(), *(client_of(name) for name in ("nobody", "viewer", "operator", "admin"))]
    answers = [getattr(client, method)(url, body) for client in clients]
    assert tuple(answer.status_code for answer in answers) == expected
    for answer in answers:
        if answer.status_code >= 400:
            assert answer["Content-Type"] == "application/problem+json"


# Registering


def test_nobody_registers_unless_the_installation_lets_them(cast: Any, settings: Any) -> None:
    body = {"username": "new", "password": PASSWORD}
    refused = api().post("/api/auth/register", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "registration_off")
    settings.REGISTRATION = True
    assert api().post("/api/auth/register", body).status_code == 202
    new = User.objects.get(username="new")
    assert access.role_of(new) is None
    me = client_of("new").get("/api/auth/me").json()
    assert (me["username"], me["role"]) == ("new", None)
    assert client_of("new").get("/api/jobs").status_code == 403
    with_role = api().post("/api/auth/register", {**body, "username": "x", "role": "admin"})
    assert "role" in with_role.json()["errors"]


def test_registering_does_not_tell_which_names_are_taken(cast: Any, settings: Any) -> None:
    settings.REGISTRATION = True
    free, taken, cased = (
        api().post("/api/auth/register", {"username": name, "password": PASSWORD})
        for name in ("free", "admin", "ADMIN")
    )
    assert free.content == taken.content == cased.content
    assert User.objects.filter(username__iexact="admin").count() == 1
    assert access.role_of(User.objects.get(username="admin")) is Role.ADMIN
    for weak in ("short", "password123", "12345678901", "fresh-name-1"):
        answer = api().post("/api/auth/register", {"username": "fresh-name-1", "password": weak})
        assert "password" in answer.json()["errors"], weak
    bad = api().post("/api/auth/register", {"username": "a b<c>", "password": PASSWORD})
    assert "username" in bad.json()["errors"]


# Tokens


def test_a_login_ends_everything_that_came_from_it(cast: Any) -> None:
    first, second = login("operator"), login("operator")
    assert api(first).post("/api/auth/logout", {}).status_code == 204
    ended = api(first).get("/api/auth/me")
    assert (ended.status_code, ended.json()["code"]) == (401, "login_ended")
    assert api().post("/api/auth/refresh", {"refresh": first["refresh"]}).status_code == 401
    assert api(second).get("/api/auth/me").status_code == 200
    # An expired or bad access token keeps nobody from logging out.
    client = api({"access": "rubbish"})
    assert client.post("/api/auth/logout", {"refresh": second["refresh"]}).status_code == 204
    assert api(second).get("/api/auth/me").status_code == 401
    assert set(Login.objects.values_list("ended_why", flat=True)) == {"logged_out"}


def test_a_refresh_token_that_comes_back_ends_its_login(cast: Any) -> None:
    stolen = login("operator")
    renewed = api().post("/api/auth/refresh", {"refresh": stolen["refresh"]}).json()
    # Two refreshes that cross are no theft.
    assert api().post("/api/auth/refresh", {"refresh": stolen["refresh"]}).status_code == 401
    assert api(renewed).get("/api/auth/me").status_code == 200
    Login.objects.update(refreshed_at=timezone.now() - timedelta(minutes=1))
    assert api().post("/api/auth/refresh", {"refresh": stolen["refresh"]}).status_code == 401
    assert api(renewed).get("/api/auth/me").status_code == 401
    assert Login.objects.get().ended_why == "token_reused"


@pytest.mark.parametrize("token", ["", "rubbish", "a.b.c", "é" * 50])
def test_what_is_no_token_is_refused_by_words(cast: Any, token: str) -> None:
    answer = api().post("/api/auth/refresh", {"refresh": token})
    assert answer.status_code in {400, 401}
    access_token = login("operator")["access"]
    assert api().post("/api/auth/refresh", {"refresh": access_token}).status_code == 401


def test_one_of_two_who_refresh_at_once_gets_the_next_pair(database: str) -> None:
    pair = tokens.open_login(user=person("ann", Role.OPERATOR))
    won = at_once(lambda: tokens.refresh(token=pair.refresh), 6, tokens.TokenRefused)
    assert len(won) == 1


def at_once(call: Any, count: int, refusal: type[Exception]) -> list[Any]:
    """What `call` returned in those of `count` threads, let go together, that were not refused."""
    gate, results = threading.Barrier(count), []

    def run() -> None:
        try:
            gate.wait()
            results.append(call())
        except refusal:
            pass
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    return [each for each in results if each is not None]


# Tickets


def test_a_ticket_used_by_many_at_once_works_once(database: str) -> None:
    user = person("ann", Role.OPERATOR)
    now = timezone.now()
    ticket = tickets.issue(user=user, standing=Standing(user_id=user.pk), now=now)
    assert ticket.text not in str(SocketTicket.objects.values().get())
    won = at_once(lambda: tickets.use(ticket.text), 8, AssertionError)
    assert [standing.user_id for standing in won] == [user.pk]
    late = tickets.issue(
        user=user, standing=Standing(user_id=user.pk), now=now - timedelta(minutes=1)
    )
    assert tickets.use(late.text) is None
    assert tickets.use("made up") is None


def test_tickets_that_nobody_uses_do_not_pile_up(cast: dict[str, User]) -> None:
    user = cast["operator"]
    for _ in range(60):
        tickets.issue(user=user, standing=Standing(user_id=user.pk), now=timezone.now())
    assert SocketTicket.objects.count() <= tickets.WAITING + 1


# Oneself


def test_a_new_password_ends_all_other_ways_in(cast: Any) -> None:
    other, mine = login("operator"), login("operator")
    browser = Client()
    browser.force_login(User.objects.get(username="operator"))
    wrong = api(mine).post(
        "/api/user/password", {"currentPassword": "guess", "newPassword": "a much better one"}
    )
    assert "currentPassword" in wrong.json()["errors"]
    weak = api(mine).post(
        "/api/user/password", {"currentPassword": PASSWORD, "newPassword": "12345"}
    )
    assert "newPassword" in weak.json()["errors"]
    changed = api(mine).post(
        "/api/user/password", {"currentPassword": PASSWORD, "newPassword": "a much better one"}
    )
    assert api(changed.json()).get("/api/auth/me").status_code == 200
    for ended in (other, mine):
        assert api(ended).get("/api/auth/me").status_code == 401
    assert browser.get("/api/auth/me").status_code == 401
    assert "a much better one" not in str(list(AuditEntry.objects.values()))
    assert login("operator", "a much better one")


def test_settings_have_their_effect(cast: dict[str, User]) -> None:
    client = client_of("operator")
    assert client.get("/api/user/settings").json() == {
        "timeZone": "",
        "theme": "auto",
        "shareNewJobs": False,
    }
    bad = client.patch("/api/user/settings", {"timeZone": "Mars/Olympus"})
    assert "timeZone" in bad.json()["errors"]
    assert "color" in client.patch("/api/user/settings", {"color": "red"}).json()["errors"]
    wanted = {"timeZone": "Asia/Tokyo", "theme": "dark", "shareNewJobs": True}
    assert client.patch("/api/user/settings", wanted).json() == wanted
    user = cast["operator"]
    assert services.submit(kind="test.noop", options={}, by=user).shared is True
    browser = Client()
    browser.force_login(user)
    page = browser.get("/admin/").content.decode()
    assert 'class="dark"' in page
    assert '<meta name="tapedeck-time-zone" content="Asia/Tokyo">' in page
    browser.force_login(cast["admin"])
    assert "tapedeck-time-zone" not in browser.get("/admin/").content.decode()


def test_own_jobs_and_files_are_ones_own_alone(cast: dict[str, User]) -> None:
    for who in ("operator", "admin"):
        job = stored_job(owner=cast[who], status=Status.SUCCEEDED, shared=True)
        stored_artifact(job, path=f"{who}.txt", body=b"x", content_type="text/plain")
    client = client_of("admin")
    assert [row["ownerName"] for row in client.get("/api/user/jobs").json()["results"]] == ["admin"]
    files = client.get("/api/user/files").json()["results"]
    assert [row["path"] for row in files] == ["admin.txt"]
    assert client.get(files[0]["url"]).status_code == 200
    assert len(client.get("/api/admin/jobs").json()["results"]) == 2


# Admins


def test_an_admin_makes_changes_and_shuts_accounts(cast: dict[str, User]) -> None:
    client = client_of("admin")
    made = client.post(
        "/api/admin/users", {"username": "Zoë", "password": PASSWORD, "role": "operator"}
    )
    assert (made.status_code, made.json()["role"], made.json()["isActive"]) == (
        201,
        "operator",
        True,
    )
    url = made["Location"]
    assert (
        "username"
        in client.post("/api/admin/users", {"username": "zoë", "password": PASSWORD}).json()[
            "errors"
        ]
    )
    theirs = login("Zoë")
    assert client.get(url).json()["openLogins"] == 1
    browser = Client()
    browser.force_login(User.objects.get(username="Zoë"))
    assert client.patch(url, {"role": "viewer"}).json()["role"] == "viewer"
    assert api(theirs).post("/api/jobs", {"kind": "test.noop"}).status_code == 403
    assert client.patch(url, {"isActive": False}).json()["isActive"] is False
    assert api(theirs).get("/api/auth/me").status_code == 401
    assert browser.get("/api/auth/me").status_code == 401
    refused = api().post("/api/auth/login", {"username": "Zoë", "password": PASSWORD})
    assert refused.status_code == 401
    # Opened again, the old ways in stay shut.
    assert client.patch(url, {"isActive": True}).json()["role"] == "viewer"
    assert browser.get("/api/auth/me").status_code == 401
    assert api(theirs).get("/api/auth/me").status_code == 401
    actions = AuditEntry.objects.filter(target_name="Zoë", actor_name="admin")
    assert set(actions.values_list("action", flat=True)) >= {
        "user.create",
        "user.set_role",
        "user.deactivate",
        "user.activate",
    }
    assert actions.get(action="user.set_role").data["changed"]["role"] == ["operator", "viewer"]


def test_the_last_admin_stays(cast: dict[str, User]) -> None:
    client = client_of("admin")
    url = f"/api/admin/users/{cast['admin'].pk}"
    for change, code in [
        ({"role": "operator"}, "last_admin"),
        ({"isActive": False}, "own_account"),
    ]:
        answer = client.patch(url, {**change, "email": "new@b.example"})
        assert (answer.status_code, answer.json()["code"]) == (409, code)
    user = User.objects.get(pk=cast["admin"].pk)
    assert (user.email, user.is_active, access.role_of(user)) == ("", True, Role.ADMIN)
    refused = AuditEntry.objects.filter(outcome="refused")
    assert set(refused.values_list("action", flat=True)) == {"user.set_role", "user.deactivate"}
    roles.put_in(user=cast["viewer"], role=Role.ADMIN)
    assert client.patch(url, {"role": "operator"}).status_code == 200


def test_two_admins_who_demote_each_other_at_once_leave_one(database: str) -> None:
    first, second = person("first", Role.ADMIN), person("second", Role.ADMIN)
    pairs = iter([(first, second), (second, first)])
    lock = threading.Lock()

    def demote() -> bool:
        with lock:
            by, user = next(pairs)
        people.set_role(user=user, role=None, by=by)
        return True

    at_once(demote, 2, people.LastAdmin)
    assert User.objects.filter(is_superuser=True).count() == 1


def test_a_locked_account_is_unlocked(cast: dict[str, User]) -> None:
    for _ in range(5):
        api().post("/api/auth/login", {"username": "viewer", "password": "guess"})
    body = {"username": "viewer", "password": PASSWORD}
    assert api().post("/api/auth/login", body).status_code == 429
    client = client_of("admin")
    assert client.get("/api/admin/stats").json()["lockedLogins"] == 1
    assert client.post(f"/api/admin/users/{cast['viewer'].pk}/unlock").status_code == 204
    assert api().post("/api/auth/login", body).status_code == 200
    recorded = AuditEntry.objects.filter(action__in=["account.login", "account.lock"])
    assert recorded.filter(action="account.lock").count() == 1
    assert recorded.filter(outcome="refused").count() == 5
    assert "guess" not in str(list(recorded.values()))


def test_a_password_typed_as_a_name_is_kept_nowhere(cast: Any) -> None:
    api().post("/api/auth/login", {"username": "my-secret-pw", "password": "x"})
    kept = str(list(AuditEntry.objects.values())) + str(list(LoginFailure.objects.values()))
    assert "my-secret-pw" not in kept


@pytest.mark.parametrize("count", [1, 30])
def test_lists_cost_the_same_however_long(
    cast: Any, count: int, django_assert_num_queries: Any
) -> None:
    for number in range(count):
        person(f"more{number}", Role.OPERATOR)
        audit.record(action="thing.do", by=None)
    client = client_of("admin")
    with django_assert_num_queries(3):  # the login and user, the page, its groups
        client.get("/api/admin/users")
    with django_assert_num_queries(2):
        client.get("/api/admin/audit")


def test_users_are_found_by_role_and_words(cast: Any) -> None:
    client = client_of("admin")

    def names(query: str) -> list[str]:
        rows = client.get(f"/api/admin/users?{query}").json()["results"]
        return [row["username"] for row in rows]

    assert names("role=operator") == ["operator"]
    assert names("role=admin") == ["admin"]
    assert names("role=none") == ["nobody"]
    assert names("q=view") == ["viewer"]
    assert names("active=false") == []
    assert client.get("/api/admin/users?role=king").status_code == 400
    assert client.get("/api/admin/users/x").status_code == 404
    assert client.get(f"/api/admin/users/{2**70}").status_code == 404


def test_figures(cast: dict[str, User]) -> None:
    job = stored_job(owner=cast["operator"], status=Status.SUCCEEDED)
    stored_artifact(job, path="a", body=b"12345", content_type="text/plain")
    User.objects.filter(pk=cast["viewer"].pk).update(is_active=False)
    said = client_of("admin").get("/api/admin/stats").json()
    assert said["users"] == {"inactive": 1, "viewer": 0, "operator": 1, "admin": 1, "none": 1}
    assert said["jobs"]["succeeded"] == "1"
    assert said["lastDay"] == {"test.noop": 1}
    assert said["artifacts"] == {"files": 1, "sizeBytes": 5}
    assert said["openLogins"] == 1


# The audit trail


def test_the_trail_is_filtered_and_paged(cast: dict[str, User]) -> None:
    job = stored_job(owner=cast["operator"])
    services.cancel(job=job, by=cast["operator"], reason="enough")
    client = client_of("admin")

    def actions(query: str) -> list[str]:
        rows = client.get(f"/api/admin/audit?{query}").json()["results"]
        return [row["action"] for row in rows]

    assert actions("action=job.") == actions("actor=operator&outcome=done") == ["job.cancel"]
    assert actions(f"targetType=jobs.job&targetId={job.pk}") == ["job.cancel"]
    assert actions("until=2020-01-01T00:00:00Z") == []
    page = client.get("/api/admin/audit?limit=1").json()
    assert page["results"][0]["action"] == "account.login"
    assert client.get(page["next"]).json()["results"][0]["action"] == "job.cancel"
    assert client.get("/api/admin/audit?colour=red").status_code == 400


def test_the_trail_is_exported_whole_and_runs_in_no_spreadsheet(cast: dict[str, User]) -> None:
    Job.objects.all().delete()
    names = ["=HYPERLINK('http://x')", "+1", "-1", "@SUM(1)", "  =1", "\t=1", 'ordinary, "quoted"']
    for name in names:
        audit.record(action="thing.do", by=None, target=stored_job(owner=cast["viewer"], name=name))
    for number in range(600):
        audit.record(action="thing.more", by=None, data={"number": number})
    client = client_of("admin")
    answer = client.get("/api/admin/audit/export?form=csv&action=thing.")
    assert answer["Content-Type"].startswith("text/csv")
    assert "attachment" in answer["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert len(rows) == len(names) + 600
    assert [row["targetName"] for row in rows[: len(names)]] == [
        *(f"'{name}" for name in names[:-1]),
        names[-1],
    ]
    lines = b"".join(
        client.get("/api/admin/audit/export?action=thing.").streaming_content
    ).splitlines()
    assert [json.loads(line)["data"].get("number") for line in lines[len(names) :]] == list(
        range(600)
    )
    assert AuditEntry.objects.filter(action="audit.export").count() == 2
