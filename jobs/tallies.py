"""Counting ended jobs and attempts once each, whoever counts and whatever is deleted later.

What ended is counted up to a time before which nothing can end any more: every transaction that
could still write an earlier end has been seen to be over. The mark moves in the transaction that
adds to the tallies, so two that count at once, or one that dies in between, count nothing twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, DurationField, ExpressionWrapper, F, Q, Sum

from jobs.models import Attempt, Job, Tally, TallyMark
from jobs.queue.clock import now_sql
from jobs.queue.rows import to_time

# Upper bounds of the histograms, in seconds.
BUCKETS_S = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400)


def count() -> None:
    """Add what ended since the last time; returns at once while another process counts."""
    for what in (Tally.What.JOB, Tally.What.ATTEMPT):
        TallyMark.objects.get_or_create(what=what)
        with transaction.atomic():
            marks = TallyMark.objects.select_for_update(skip_locked=True)
            mark = marks.filter(what=what).first()
            if mark is None:
                continue
            up_to = _horizon()
            if mark.up_to is not None and up_to <= mark.up_to:
                continue
            for row in _ended(what, since=mark.up_to, before=up_to):
                _add(what, row)
            mark.up_to = up_to
            mark.save(update_fields=["up_to"])


def _horizon() -> datetime:
    """A time by the database's clock before which no open transaction can still write an end."""
    sql = f"SELECT {now_sql()}"
    if connection.vendor == "postgresql":
        # An end bears the clock of its statement, and is seen later, at its commit.
        sql = (
            f"SELECT LEAST({now_sql()}, (SELECT MIN(xact_start) FROM pg_stat_activity "
            "WHERE datname = current_database() AND backend_type = 'client backend' "
            "AND pid <> pg_backend_pid()))"
        )
    with connection.cursor() as cursor:
        cursor.execute(sql, [])
        return to_time(cursor.fetchone()[0])


def _ended(what: str, *, since: datetime | None, before: datetime) -> Any:
    took: Any
    rows: Any
    if what == Tally.What.JOB:
        rows = Job.objects.filter(finished_at__lt=before)
        rows = rows.filter(finished_at__gte=since) if since else rows
        took = F("finished_at") - F("created_at")
        columns = {"of_kind": F("kind"), "ended_as": F("status")}
        again = Q(pk__isnull=True)
    else:
        rows = Attempt.objects.filter(ended_at__lt=before)
        rows = rows.filter(ended_at__gte=since) if since else rows
        took = F("ended_at") - F("started_at")
        columns = {"of_kind": F("job__kind"), "ended_as": F("outcome")}
        again = Q(number__gt=1)
    rows = rows.annotate(took=ExpressionWrapper(took, output_field=DurationField()))
    within = {
        f"within_{n}": Count("pk", filter=Q(took__lte=timedelta(seconds=bound)))
        for n, bound in enumerate(BUCKETS_S)
    }
    return (
        rows.order_by()
        .values(**columns)
        .annotate(n=Count("pk"), again=Count("pk", filter=again), whole=Sum("took"), **within)
    )


def _add(what: str, row: dict[str, Any]) -> None:
    tally, _ = Tally.objects.get_or_create(what=what, kind=row["of_kind"], outcome=row["ended_as"])
    before = tally.buckets or [0] * len(BUCKETS_S)
    tally.buckets = [old + row[f"within_{n}"] for n, old in enumerate(before)]
    tally.count += row["n"]
    tally.retries += row["again"]
    # Clocks of hosts may disagree: submitted by one, ended by the database's.
    tally.seconds += max(0.0, row["whole"].total_seconds() if row["whole"] else 0.0)
    tally.save()
