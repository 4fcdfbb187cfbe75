"""The audit trail: append-only in the database itself, about what, and without secrets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from jobs import audit, audit_triggers, context
from jobs.models import AuditEntry
from jobs.secrets import seal
from tests.factories import AuditEntryFactory, JobFactory, RecordingSessionFactory, StepFactory


def attempted(sql: str, *params: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, params)


def test_the_database_refuses_to_change_or_remove_an_entry(database: str) -> None:
    entry = audit.record(action="thing.do", by=None)
    for attempt in (
        lambda: AuditEntry.objects.update(outcome="done"),
        lambda: AuditEntry.objects.all().delete(),
        lambda: entry.delete(),
        lambda: entry.save(),
        lambda: attempted("UPDATE jobs_auditentry SET actor_name = 'somebody else'"),
        lambda: attempted("DELETE FROM jobs_auditentry WHERE id = %s", entry.pk),
    ):
        with pytest.raises(DatabaseError, match="can not be"):
            attempt()
    if connection.vendor == "postgresql":
        with pytest.raises(DatabaseError, match="can not be"):
            attempted("TRUNCATE jobs_auditentry")
    assert AuditEntry.objects.get().actor_name == ""


def test_entries_go_only_when_a_pruning_is_on_record(database: str) -> None:
    now = timezone.now()
    old = AuditEntryFactory(at=now - timedelta(days=400))
    new = AuditEntryFactory(at=now - timedelta(days=10))
    before = now - timedelta(days=365)
    audit.record(action=audit_triggers.PRUNED, by=None, data={"before": before})
    AuditEntry.objects.filter(pk=old.pk).delete()
    with pytest.raises(DatabaseError, match="can not be removed"):
        AuditEntry.objects.filter(pk=new.pk).delete()
    assert set(AuditEntry.objects.values_list("action", flat=True)) == {
        "job.cancel",
        "audit.pruned",
    }


@pytest.mark.django_db
def test_an_entry_says_who_from_where_and_hides_secrets() -> None:
    by = User.objects.create_user("alice")
    here = context.Context(
        request_id="abcdef-123456", address="192.0.2.7", user_agent="Mozilla\0/5.0", via="api"
    )
    with context.serving(here):
        audit.record(
            action="thing.do",
            by=by,
            target=by,
            data={"password": seal("hunter2"), "at": timezone.now(), "odd": {1: {by}}},
        )
    entry = AuditEntry.objects.get()
    assert (entry.actor_id, entry.actor_name, entry.via) == (by.pk, "alice", "api")
    assert (entry.address, entry.request_id) == ("192.0.2.7", "abcdef-123456")
    assert "\0" not in entry.user_agent
    assert (entry.target_type, entry.target_id) == ("auth.user", str(by.pk))
    assert "hunter2" not in str(entry.data)
    assert entry.data["password"] == "••••••"
    assert context.current() == context.Context()


@pytest.mark.django_db
def test_entries_about_a_job_include_those_about_its_recording() -> None:
    session = RecordingSessionFactory()
    step = StepFactory(session=session)
    for target in (session.job, session, step, JobFactory()):
        audit.record(action="thing.do", by=None, target=target)
    about = AuditEntry.objects.about(session.job)
    assert [entry.target_type for entry in about] == [
        "recorder.step",
        "recorder.recordingsession",
        "jobs.job",
    ]
    assert AuditEntry.objects.about(session).get().target_id == str(session.pk)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abcdef12", True),
        ("01a2b3c4-d5e6-7f80-9a0b-c1d2e3f40516", True),
        ("short", False),
        ("x" * 65, False),
        ("<script>alert(1)</script>", False),
        ("line\r\nSet-Cookie: a=b", False),
        ("", False),
    ],
)
def test_a_request_id_is_repeated_only_when_it_is_harmless(given: str, kept: bool) -> None:
    found = context.request_id(given)
    assert (found == given) is kept
    assert context.request_id(found) == found
