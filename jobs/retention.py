"""How long ended jobs stay, and removing those whose time is over.

The closest rule holds: of kind and status, of the kind, of the status, of all. Where none does, the
settings: RETENTION_DAYS, and nothing at all of kinds that keep what people made (`Kind.keeps`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import BooleanField, Exists, OuterRef, QuerySet, Sum
from django.db.models.expressions import RawSQL

from jobs import access, audit, registry, services
from jobs.models import TERMINAL, Artifact, Job, RetentionRule, ScheduleRun
from jobs.queue.clock import now_sql
from jobs.services.bounds import Checks
from jobs.system import database_now

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = logging.getLogger(__name__)

# Jobs deleted between two looks at whether the sweep is to end.
BATCH = 100
# A parent goes after its children; chains of reruns are no longer than this.
PASSES = 50
# What a schedule remembers.
RUNS_KEPT = 500
DAYS_MAX = 36_500


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What holds for a kind and status. `keep_days` None: for ever. `source`: where it says so."""

    keep_days: int | None
    keep_last: int
    source: str


def rule_for(*, kind: str, status: str, rules: list[RetentionRule] | None = None) -> Rule:
    """The closest rule, or the settings'."""
    stored = {
        (row.kind, row.status): row
        for row in (RetentionRule.objects.all() if rules is None else rules)
    }
    for key in ((kind, status), (kind, "")):
        if row := stored.get(key):
            return Rule(keep_days=row.keep_days, keep_last=row.keep_last, source=f"rule: {row}")
    if kind in _keeping_kinds():
        return Rule(keep_days=None, keep_last=0, source="the kind keeps what people made")
    for key in (("", status), ("", "")):
        if row := stored.get(key):
            return Rule(keep_days=row.keep_days, keep_last=row.keep_last, source=f"rule: {row}")
    days = settings.RETENTION_DAYS or None
    return Rule(keep_days=days, keep_last=0, source="RETENTION_DAYS")


def _keeping_kinds() -> set[str]:
    return {kind.name for kind in registry.all_kinds() if kind.keeps}


def set_rule(
    *,
    by: User,
    kind: str,
    status: str,
    keep_days: int | None,
    keep_last: int = 0,
    rule: RetentionRule | None = None,
) -> RetentionRule:
    """Make a rule, or change `rule` to this.

    :raises jobs.access.NotAllowed: `by` is no admin.
    :raises jobs.services.InvalidFields: `.errors` maps each field to its messages.
    """
    if not access.is_admin(by):
        raise access.NotAllowed("Only an admin may change how long jobs are kept.")
    checks = Checks()
    if status and status not in TERMINAL:
        checks.refuse("status", f"Empty for all, or one of: {', '.join(sorted(TERMINAL))}.")
    known = {each.name for each in registry.all_kinds()}
    if kind and kind not in known and not Job.objects.filter(kind=kind).exists():
        checks.refuse("kind", f"Empty for all, or one of: {', '.join(sorted(known))}.")
    if keep_days is not None and not 0 <= keep_days <= DAYS_MAX:
        checks.refuse("keepDays", f"Empty for ever, or 0 to {DAYS_MAX} days.")
    if keep_last < 0:
        checks.refuse("keepLast", "Not negative.")
    others = RetentionRule.objects.filter(kind=kind, status=status)
    if rule is not None:
        others = others.exclude(pk=rule.pk)
    if others.exists():
        checks.refuse("kind", "There is a rule for this kind and status already.")
    checks.done()
    before = _facts(rule) if rule is not None else {}
    row = rule or RetentionRule()
    row.kind, row.status, row.keep_days, row.keep_last = kind, status, keep_days, keep_last
    row.updated_by, row.updated_at = by, database_now()
    with transaction.atomic():
        row.save()
        audit.record(
            action="retention.set",
            by=by,
            target=row,
            data=audit.changes(before=before, after=_facts(row)),
        )
    return row


@transaction.atomic
def remove_rule(*, by: User, rule: RetentionRule) -> None:
    """:raises jobs.access.NotAllowed: `by` is no admin."""
    if not access.is_admin(by):
        raise access.NotAllowed("Only an admin may change how long jobs are kept.")
    audit.record(action="retention.remove", by=by, target=rule, data=_facts(rule))
    rule.delete()


def _facts(rule: RetentionRule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in ("kind", "status", "keep_days", "keep_last")}


@dataclass
class Swept:
    """What a sweep freed (or, dry, would free)."""

    jobs: int = 0
    artifacts: int = 0
    size_bytes: int = 0
    in_use: set[UUID] = field(default_factory=set)

    def add(self, *, jobs: int, artifacts: int, size_bytes: int) -> None:
        self.jobs += jobs
        self.artifacts += artifacts
        self.size_bytes += size_bytes


Report = Callable[[str, str, Swept], None]


def sweep_jobs(
    *,
    by: User | None,
    dry_run: bool = False,
    report: Report,
    between: Callable[[], None] = lambda: None,
) -> dict[str, Swept]:
    """Delete every ended job whose time is over: per kind what that freed.

    A job stays while it has children (those go first) or something else needs it. `report(kind,
    status, swept)` is called for each kind and status of which something went, `between` between
    batches; what either raises ends the sweep, and what was deleted until then stays deleted.
    """
    rules = list(RetentionRule.objects.all())
    found: dict[str, Swept] = {}
    for kind in Job.objects.order_by("kind").values_list("kind", flat=True).distinct():
        for status in sorted(TERMINAL):
            rule = rule_for(kind=kind, status=status, rules=rules)
            if rule.keep_days is None:
                continue
            part = _sweep_part(kind, status, rule, by=by, dry_run=dry_run, between=between)
            if not part.jobs and not part.in_use:
                continue
            report(kind, status, part)
            whole = found.setdefault(kind, Swept())
            whole.add(jobs=part.jobs, artifacts=part.artifacts, size_bytes=part.size_bytes)
            whole.in_use |= part.in_use
    return found


def _sweep_part(
    kind: str,
    status: str,
    rule: Rule,
    *,
    by: User | None,
    dry_run: bool,
    between: Callable[[], None],
) -> Swept:
    swept = Swept()
    if dry_run:
        ids = list(_over(kind, status, rule).values_list("pk", flat=True))
        sums = _artifact_sums(ids)
        swept.add(jobs=len(ids), artifacts=sums[0], size_bytes=sums[1])
        return swept
    for _ in range(PASSES):
        before = swept.jobs
        for batch in _batches(_over(kind, status, rule).exclude(pk__in=swept.in_use)):
            freed = services.delete_many(ids=batch, by=by, reason=f"retention, {rule.source}")
            swept.add(jobs=freed.jobs, artifacts=freed.artifacts, size_bytes=freed.size_bytes)
            swept.in_use.update(freed.in_use)
            if freed.jobs:
                audit.record(
                    action="retention.delete",
                    by=by,
                    data={
                        "kind": kind,
                        "status": status,
                        "rule": rule.source,
                        "jobs": freed.jobs,
                        "artifacts": freed.artifacts,
                        "sizeBytes": freed.size_bytes,
                        "ids": [str(job_id) for job_id in batch if job_id not in freed.in_use],
                    },
                )
            between()
        if swept.jobs == before:
            break
    return swept


def _over(kind: str, status: str, rule: Rule) -> QuerySet[Job]:
    """Ended jobs of this kind and status whose time is over and that no child needs, oldest first."""
    assert rule.keep_days is not None
    ended = Job.objects.filter(kind=kind, status=status)
    past = RawSQL(
        f"finished_at < {now_sql(plus_s=-86_400.0 * rule.keep_days)}",
        [],
        output_field=BooleanField(),
    )
    over = ended.annotate(is_over=past).filter(is_over=True)
    if rule.keep_last:
        newest = ended.order_by("-finished_at", "-id").values_list("pk", flat=True)
        over = over.exclude(pk__in=list(newest[: rule.keep_last]))
    children = Job.objects.filter(parent_id=OuterRef("pk"))
    return over.filter(~Exists(children)).order_by("finished_at", "id")


def _batches(jobs: QuerySet[Job]) -> Iterator[list[UUID]]:
    ids = list(jobs.values_list("pk", flat=True))
    for first in range(0, len(ids), BATCH):
        yield ids[first : first + BATCH]


def _artifact_sums(ids: list[UUID]) -> tuple[int, int]:
    count = size_bytes = 0
    for first in range(0, len(ids), 500):
        kept = Artifact.objects.filter(job_id__in=ids[first : first + 500])
        count += kept.count()
        size_bytes += kept.aggregate(n=Sum("size_bytes"))["n"] or 0
    return count, size_bytes


def forget_old_runs() -> int:
    """Keep the newest `RUNS_KEPT` lines of each schedule's history; how many went."""
    gone = 0
    for schedule_id in ScheduleRun.objects.order_by().values_list("schedule_id").distinct():
        runs = ScheduleRun.objects.filter(schedule_id=schedule_id[0]).order_by("-id")
        if last := runs.values_list("pk", flat=True)[RUNS_KEPT : RUNS_KEPT + 1].first():
            gone += runs.filter(pk__lte=last).delete()[0]
    return gone
