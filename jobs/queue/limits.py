"""Who may not start now: the kinds and users whose concurrency or rate is used up."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from jobs import events, policies, registry
from jobs.models import Job
from jobs.policies import Policy
from jobs.queue.clock import now_sql
from jobs.registry import Rate


@dataclass
class Held:
    """What a claim must pass over. Whole kinds, users, and users within one kind."""

    everything: bool = False
    kinds: list[str] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    pairs: list[str] = field(default_factory=list)

    def condition(self, vendor: str) -> tuple[str, list[Any]]:
        """SQL that is true of rows that are not held, and its parameters."""
        sql, params = "", []
        for values, column in (
            (self.kinds, "kind"),
            (self.owners, "owner_id"),
            (self.pairs, "kind || ' ' || owner_id"),
        ):
            if values:
                listed = (
                    "ALL(%s)" if vendor == "postgresql" else "IN (SELECT value FROM json_each(%s))"
                )
                sql += f" AND ({column}) {'<>' if vendor == 'postgresql' else 'NOT'} {listed}"
                params.append(values if vendor == "postgresql" else events.to_json(values))
        return sql, params


@dataclass(frozen=True)
class Rules:
    """The limits that the claims of one queue go by."""

    kinds: dict[str, Policy]
    all_kinds: Policy | None
    # Kind -> how long its jobs may wait, in seconds; of those that have a bound.
    longest_waits: dict[str, int]

    @property
    def limited(self) -> bool:
        return self.all_kinds is not None or bool(self.kinds)

    def counts_starts_of(self, kind: str) -> bool:
        """Whether a start of this kind has to be written down."""
        policy = self.kinds.get(kind)
        return any(
            rule is not None and (rule.rate is not None or rule.user_rate is not None)
            for rule in (policy, self.all_kinds)
        )


def rules_of(queue: str) -> Rules:
    """At most `policies.FRESH_S` old; worked out once in that time."""
    now = policies.held()
    rules: Rules | None = now.derived.get(queue)
    if rules is None:
        kinds = {kind.name: now.of(kind) for kind in registry.all_kinds() if kind.queue == queue}
        limited = {name: policy for name, policy in kinds.items() if policy.limits_claims}
        of_all = now.of_all_kinds()
        rules = now.derived[queue] = Rules(
            limited,
            of_all if of_all is not None and of_all.limits_claims else None,
            {
                name: policy.queue_timeout_s
                for name, policy in kinds.items()
                if policy.queue_timeout_s
            },
        )
    return rules


def held(*, cursor: Any, rules: Rules) -> Held:
    """What is used up at this moment.

    To be trusted by a claim only under the lock that every claim takes: two that count at once
    would both find room for one more.
    """
    found = Held()
    running = _Counts(_running(cursor)) if _any(rules, _limits_running) else _Counts([])
    for name, policy in rules.kinds.items():
        started = _started(cursor, policy.rate, kind=name)
        if _full(policy.concurrency, running.of_kind(name)) or _spent(policy.rate, started.all):
            found.kinds.append(name)
            continue
        users = running.owners_at(policy.user_concurrency, kind=name)
        users |= _started(cursor, policy.user_rate, kind=name).owners_spent(policy.user_rate)
        if policy.user_concurrency == 0:
            found.kinds.append(name)
        found.pairs += [f"{name} {owner}" for owner in sorted(users)]
    whole = rules.all_kinds
    if whole is not None:
        found.everything = (
            _full(whole.concurrency, running.all)
            or whole.user_concurrency == 0
            or _spent(whole.rate, _started(cursor, whole.rate).all)
        )
        users = running.owners_at(whole.user_concurrency)
        users |= _started(cursor, whole.user_rate).owners_spent(whole.user_rate)
        found.owners += sorted(users)
    return found


def reasons(*, cursor: Any, job: Job) -> list[tuple[str, str]]:
    """Which limits hold this job back now: codes and words, the wider ones first."""
    rules = rules_of(job.queue)
    found: list[tuple[str, str]] = []
    for policy, kind in ((rules.all_kinds, None), (rules.kinds.get(job.kind), job.kind)):
        if policy is not None:
            prefix, of_what = ("", f"of the kind {job.kind}") if kind else ("all_", "of any kind")
            found += [
                (prefix + code, text.format(of_what=of_what))
                for code, text in _reasons(cursor, policy, kind, job.owner_id)
            ]
    return found


def _reasons(
    cursor: Any, policy: Policy, kind: str | None, owner_id: int
) -> Iterator[tuple[str, str]]:
    running = _Counts(_running(cursor))
    of_owner = running.by_owner(kind).get(owner_id, 0)
    if _full(policy.concurrency, running.all if kind is None else running.of_kind(kind)):
        yield (
            "waiting_for_slot",
            f"As many jobs {{of_what}} are running as may at once ({policy.concurrency}).",
        )
    if _full(policy.user_concurrency, of_owner):
        yield (
            "waiting_for_user_slot",
            "As many jobs {of_what} of its owner are running as may at once "
            f"({policy.user_concurrency}).",
        )
    if policy.rate and _spent(policy.rate, _started(cursor, policy.rate, kind=kind).all):
        yield "rate", f"As many jobs {{of_what}} have started as may ({policy.rate})."
    if policy.user_rate:
        started = _started(cursor, policy.user_rate, kind=kind).by_owner(kind).get(owner_id, 0)
        if _spent(policy.user_rate, started):
            yield (
                "user_rate",
                f"As many jobs {{of_what}} of its owner have started as may ({policy.user_rate}).",
            )


def note_start(*, cursor: Any, job: Job) -> None:
    """Write down that `job` starts now; in the claim's transaction."""
    cursor.execute(
        f"INSERT INTO jobs_start (kind, owner_id, at) VALUES (%s, %s, {now_sql()})",
        [job.kind, job.owner_id],
    )


def forget_starts() -> int:
    """Delete the starts that no rate counts any more; how many there were."""
    longest_s = max(
        (
            rate.window_s
            for policy in _every_policy()
            for rate in (policy.rate, policy.user_rate)
            if rate
        ),
        default=0,
    )
    old = f"FROM jobs_start WHERE at < {now_sql(plus_s=-longest_s)}"
    with connection.cursor() as cursor:
        # Looked at first: a deletion of nothing takes SQLite's write lock as well. With parameters,
        # though none: the clock escapes its percent signs for them.
        cursor.execute(f"SELECT 1 {old} LIMIT 1", [])
        if cursor.fetchone() is None:
            return 0
        cursor.execute(f"DELETE {old}", [])
        return int(cursor.rowcount)


def _every_policy() -> list[Policy]:
    whole = policies.of_all_kinds()
    return [*policies.by_kind().values(), *([whole] if whole else [])]


class _Counts:
    """How many there are by (kind, owner)."""

    def __init__(self, rows: list[tuple[str, int, int]]) -> None:
        self._rows = rows

    @property
    def all(self) -> int:
        return sum(count for _, _, count in self._rows)

    def of_kind(self, kind: str) -> int:
        return sum(count for name, _, count in self._rows if name == kind)

    def by_owner(self, kind: str | None = None) -> dict[int, int]:
        counts: dict[int, int] = {}
        for name, owner, count in self._rows:
            if kind is None or name == kind:
                counts[owner] = counts.get(owner, 0) + count
        return counts

    def owners_at(self, most: int | None, *, kind: str | None = None) -> set[int]:
        if most is None:
            return set()
        return {owner for owner, count in self.by_owner(kind).items() if count >= most}

    def owners_spent(self, rate: Rate | None) -> set[int]:
        return set() if rate is None else self.owners_at(rate.starts)


def _running(cursor: Any) -> list[tuple[str, int, int]]:
    cursor.execute(
        "SELECT kind, owner_id, COUNT(*) FROM jobs_job WHERE status = 'running' "
        "GROUP BY kind, owner_id",
        [],
    )
    rows: list[tuple[str, int, int]] = cursor.fetchall()
    return rows


def _started(cursor: Any, rate: Rate | None, *, kind: str | None = None) -> _Counts:
    if rate is None:
        return _Counts([])
    where, params = ("kind = %s AND ", [kind]) if kind is not None else ("", [])
    cursor.execute(
        "SELECT kind, owner_id, COUNT(*) FROM jobs_start "
        f"WHERE {where}at > {now_sql(plus_s=-rate.window_s)} GROUP BY kind, owner_id",
        params,
    )
    return _Counts(cursor.fetchall())


def _full(most: int | None, running: int) -> bool:
    return most is not None and running >= most


def _spent(rate: Rate | None, started: int) -> bool:
    return rate is not None and started >= rate.starts


def _any(rules: Rules, test: Callable[[Policy], bool]) -> bool:
    return any(test(policy) for policy in rules.kinds.values()) or (
        rules.all_kinds is not None and test(rules.all_kinds)
    )


def _limits_running(policy: Policy) -> bool:
    return policy.concurrency is not None or policy.user_concurrency is not None
