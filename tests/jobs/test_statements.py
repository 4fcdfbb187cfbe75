"""The driver's own cursor: statements are planned once, errors are Django's."""

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

from jobs import events, services, statements
from jobs.queue.claim import claim
from jobs.queue.outcome import Ended, Outcome, end_attempt

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_the_server_plans_the_engine_s_statements_once(owner: User) -> None:
    for _ in range(3):
        job = services.submit(kind="test.noop", options={}, by=owner)
        assert claim(queue="default", worker="w") is not None
        events.emit(job_id=job.id, type=events.LOG, data={}, attempt=1, fence=True)
        outcome = Outcome(ended=Ended.SUCCEEDED)
        assert end_attempt(job_id=job.id, attempt=1, outcome=outcome, kind=None) is not None
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        planned = [row[0] for row in cursor.fetchall()]
    for beginning in (
        "UPDATE jobs_job SET status = 'running'",
        "UPDATE jobs_job SET last_seq = last_seq + 1",
        "UPDATE jobs_job SET status = $1",
        "INSERT INTO jobs_jobevent",
        "WITH attempts AS (INSERT INTO jobs_attempt",
    ):
        assert any(one.startswith(beginning) for one in planned), beginning


def test_values_go_beside_the_statement(owner: User) -> None:
    with transaction.atomic():
        cursor = statements.cursor()
        hostile = "100 %s? '; DROP TABLE jobs_job; --"
        for value in (hostile, None, "", "ünï"):
            cursor.execute("SELECT CAST(%s AS text), '100 %%'", [value])
            assert cursor.fetchone() == (value, "100 %")
        assert cursor.fetchone() is None


def test_errors_are_django_s(owner: User) -> None:
    job = services.submit(kind="test.noop", options={}, by=owner)
    again = "INSERT INTO jobs_jobevent (job_id, seq, type, data, at, attempt) SELECT job_id, seq, type, data, at, attempt FROM jobs_jobevent WHERE job_id = %s"
    with pytest.raises(IntegrityError), transaction.atomic():
        statements.cursor().execute(again, [events.pk(job.id)])
