"""Finding jobs by words and tags, on both databases: what matches, what stays harmless, who sees it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs import search, search_index, sight
from jobs.models import Job, Status
from tests.jobs.conftest import stored_job

pytestmark = pytest.mark.usefixtures("database")


def found(text: str, by: User, jobs: Iterable[Job] | None = None) -> set[str]:
    rows = search.matching(Job.objects.visible_to(by), text, by=by).jobs
    return {job.name for job in rows}


NAMES = [
    "Checkout flow 12",
    "checkout-flow_13 (retry)",
    "Оплата заказа",
    "日本語のテスト",
    "支付流程设置",
    "ทดสอบการชำระเงิน",
    "결제 테스트를 확인",
    "हिन्दी परीक्षण",
    "اختبار الدفع",
    "<script>alert('x')</script>",
    'quotes " and * stars',
    "Größe prüfen",
]


FINDS = [
    ("checkout", {NAMES[0], NAMES[1]}),
    ("FLOW check", {NAMES[0], NAMES[1]}),
    ("flow 13", {NAMES[1]}),
    ("flow_13", {NAMES[1]}),
    ("heckout", set()),
    ("ОПЛАТА", {NAMES[2]}),
    ("зака", {NAMES[2]}),
    ("テスト", {NAMES[3]}),
    ("本", {NAMES[3]}),
    ("語の", {NAMES[3]}),
    ("トス", set()),
    ("流程", {NAMES[4]}),
    ("ชำระ", {NAMES[5]}),
    ("테스트", {NAMES[6]}),
    ("हिन्दी", {NAMES[7]}),
    ("الدفع", {NAMES[8]}),
    ("<script>", {NAMES[9]}),
    ("alert('x')", {NAMES[9]}),
    ("GRÖSSE", set()),
    ("größe", {NAMES[11]}),
]


def test_words_of_any_script_are_found(owner: User) -> None:
    for name in NAMES:
        stored_job(owner=owner, name=name)
    for text, names in FINDS:
        assert found(text, owner) == names, text


HARMLESS = [
    '"',
    '""',
    "'",
    "*",
    "flow*",
    "NEAR(checkout flow, 3)",
    "name:checkout",
    "{name} : x",
    "checkout OR",
    "AND",
    "NOT checkout",
    "(checkout",
    "checkout)",
    "^checkout",
    "-checkout",
    "a & b | !c",
    "a <-> b",
    "':*",
    "\\",
    "%",
    "_",
    "\0",
    "\ud800",
    "🎬",
    "o1",
    "shared",
    "; DROP TABLE jobs_job",
    "²",
    "𝒳",
    "a" * search.MAX_CHARS,
    " ".join("ab" * 1 for _ in range(60)),
]


def test_no_query_is_an_operator_or_an_error(owner: User) -> None:
    stored_job(owner=owner, name="Checkout flow 12")
    matching = {"flow*", "^checkout", "-checkout", "(checkout", "checkout)"}
    for text in HARMLESS:
        expected = {"Checkout flow 12"} if text in matching else set()
        assert found(text, owner) == expected, text
    assert Job.objects.count() == 1


def test_operator_words_are_words(owner: User) -> None:
    stored_job(owner=owner, name="login OR logout NOT found")
    assert found("login or", owner) == {"login OR logout NOT found"}
    assert found("NOT OR", owner) == {"login OR logout NOT found"}


def test_errors_are_searched_and_changes_are_followed(owner: User) -> None:
    job = stored_job(owner=owner, name="First")
    Job.objects.filter(pk=job.pk).update(error="TimeoutError: no answer from 10.0.0.7 設定エラー")
    assert found("timeouterror 10.0.0.7", owner) == {"First"}
    assert found("設定", owner) == {"First"}
    Job.objects.filter(pk=job.pk).update(name="Second", error="")
    assert found("timeouterror", owner) == set()
    assert found("first", owner) == set()
    assert found("second", owner) == {"Second"}
    with connection.cursor() as cursor:  # as the engine writes
        cursor.execute("UPDATE jobs_job SET error = 'Broken pipe'")
    assert found("pipe", owner) == {"Second"}
    Job.objects.all().delete()
    with connection.cursor() as cursor:
        for table in ("jobs_jobsearch", "jobs_jobtag"):
            cursor.execute(f"SELECT COUNT(*) FROM {table}")
            assert cursor.fetchone()[0] == 0, table


def test_a_whole_word_is_found_together_with_what_begins_so(owner: User) -> None:
    for name in ("flow one", "Flows two", "FLOW-three", "overflow", "flöwn"):
        stored_job(owner=owner, name=name)
    assert found("FLOW", owner) == {"flow one", "Flows two", "FLOW-three"}
    assert found("flow th", owner) == {"FLOW-three"}
    assert found("flowz", owner) == set()
    assert found("flow-t", owner) == {"FLOW-three"}
    assert found("flö", owner) == {"flöwn"}


def test_an_id_finds_its_job(owner: User) -> None:
    job = stored_job(owner=owner, name="First")
    stored_job(owner=owner, name="Second")
    assert found(f" {job.pk} ", owner) == {"First"}


def test_one_finds_only_what_one_may_see(owner: User) -> None:
    other = User.objects.create_user("other", is_staff=True)
    stored_job(owner=owner, name="mine flow")
    stored_job(owner=other, name="theirs flow")
    assert found("flow", owner) == {"mine flow", "theirs flow"}
    assert found("flow", other) == {"theirs flow"}
    Job.objects.filter(name="mine flow").update(shared=True)
    assert found("flow", other) == {"theirs flow", "mine flow"}
    Job.objects.filter(name="theirs flow").update(owner=owner)
    assert found("flow", other) == {"mine flow"}
    # The words that say whose a job is are nobody's to ask for.
    for text in ("=shared", "shared", f"=o{owner.pk}", f"o{owner.pk}"):
        assert found(text, owner) == set()


def test_tags_are_matched_whole_and_followed(owner: User) -> None:
    job = stored_job(owner=owner, name="First", tags=["smoke", "über, alles", "a'b"])
    stored_job(owner=owner, name="Second", tags=["Smoke", "smoke test"])

    def names(tag: str) -> set[str]:
        return {found.name for found in search.tagged(Job.objects.all(), tag)}

    assert names("smoke") == {"First"}
    assert names("über, alles") == {"First"}
    assert names("a'b") == {"First"}
    assert names("smo") == set()
    Job.objects.filter(pk=job.pk).update(tags=["nightly"])
    assert names("smoke") == set()
    assert names("nightly") == {"First"}


def test_a_tag_that_many_jobs_have_finds_whatever_way_is_taken(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = User.objects.create_user("other", is_staff=True)
    for number in range(6):
        whose = other if number % 2 else owner
        status = Status.FAILED if number < 2 else Status.SUCCEEDED
        stored_job(owner=whose, name=str(number), tags=["smoke", "b"], status=status)
    stored_job(owner=owner, name="shared", tags=["smoke"], shared=True)
    stored_job(owner=owner, name="bare", status=Status.FAILED)

    def names(user: User, *tags: str, **fields: str) -> list[str]:
        jobs = Job.objects.visible_to(user).filter(**fields)
        for tag in tags:
            jobs = search.tagged(jobs, tag)
        first = sight.first_rows(jobs, ["-id"], 10)
        assert sight.count_up_to(jobs, 10) == len(first)
        return [job.name for job in first]

    for cap, compared in ((100, 1), (2, 1), (2, 100), (0, 0), (0, 100)):
        monkeypatch.setattr(search, "CAP", cap)
        monkeypatch.setattr(search, "COMPARED", compared)
        assert names(owner, "smoke") == ["shared", "5", "4", "3", "2", "1", "0"]
        assert names(other, "smoke") == ["shared", "5", "3", "1"]
        assert names(other, "smoke", status="failed") == ["1"]
        assert names(owner, "smoke", "b", status="failed") == ["1", "0"]
        assert names(other, "smoke", "c") == []
    # The tags' own table knows at once whose a job is and whether it is shared.
    Job.objects.filter(name="0").update(shared=True)
    Job.objects.filter(name="1").update(owner=owner)
    Job.objects.filter(name="shared").update(shared=False)
    assert names(other, "smoke") == ["5", "3", "0"]


def test_many_matches_are_the_newest_ones(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "CAP", 3)
    for number in range(5):
        stored_job(owner=owner, name=f"flow {number}", tags=["smoke"])
    matches = search.matching(Job.objects.all(), "flow", by=owner)
    names = [job.name for job in matches.jobs.order_by("-id")]
    assert names[:3] == ["flow 4", "flow 3", "flow 2"]
    # PostgreSQL reads on; SQLite stops there, and says so.
    assert matches.limited == (connection.vendor == "sqlite")
    assert len(names) == (3 if matches.limited else 5)
    assert search.tagged(Job.objects.all(), "smoke").count() == 5


def test_a_search_costs_the_same_however_many_there_are(owner: User) -> None:
    costs = []
    for count in (1, 50):
        Job.objects.bulk_create(
            Job(kind="test.noop", name="a flow", owner=owner, created_at=owner.date_joined)
            for _ in range(count)
        )
        with CaptureQueriesContext(connection) as queries:
            assert found("flow", owner) == {"a flow"}
        costs.append(len(queries))
    # SQLite asks first whether longer words begin so.
    assert costs == ([3, 3] if connection.vendor == "sqlite" else [2, 2])


def test_what_a_migration_took_away_is_mended(owner: User) -> None:
    stored_job(owner=owner, name="Before")
    assert not search_index.install(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER jobs_search_update")
        else:
            cursor.execute("DROP TRIGGER jobs_search_changed ON jobs_job")
    Job.objects.update(name="After")
    assert found("after", owner) == set()
    assert search_index.install(connection)
    assert found("after", owner) == {"After"}
