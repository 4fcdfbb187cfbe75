"""Lists of jobs read on the indexes that there are for them.

"Mine or shared" is no range of any index: a database walks past everything of others, or sorts all
that is mine. Each half is a range. So a list is read half by half and merged, at most as much of
each as the page needs. And a list that a table beside the jobs drives (its tags) is read in that
table's order, which is the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import (
    BooleanField,
    Case,
    ExpressionWrapper,
    IntegerField,
    Q,
    QuerySet,
    When,
)
from django.db.models.lookups import Exact
from django.db.models.sql.where import AND

# The name under which a queryset has the id that the driving table gives: equal to the row's own.
DRIVING_ID = "driving_id"
# The mark of a queryset whose ids were found before, so few that halves are no help.
CHOSEN = "chosen_ids"
# The mark of a queryset whose rows are met by walking past others: counted only so far.
WALKED = "walked"
WALKED_CAP = 100
# As many rows are sorted where no index has the order.
SORTED = 10_000
# What lets an index in, of all rows that a list in this order has.
BOUNDS = {
    "priority": Q(priority__gte=-(2**31)),
    "finished_at": Q(finished_at__isnull=False),
}


class InSight(ExpressionWrapper):  # type: ignore[type-arg]  # not generic at run time
    """The condition "owned by this user, or shared"; `halves` finds it again in a query."""

    def __init__(self, owner_id: Any) -> None:
        super().__init__(Q(owner_id=owner_id) | Q(shared=True), output_field=BooleanField())
        self.owner_id = owner_id


def halves(rows: QuerySet[Any]) -> list[QuerySet[Any]]:
    """`rows` as disjoint querysets that are together the same; one when all of it is in sight.

    `rows` is not sliced.
    """
    if CHOSEN in rows.query.annotations or (owner_id := narrowed_to(rows)) is None:
        return [rows]
    mine = unnarrowed(rows).filter(owner_id=owner_id)
    others = unnarrowed(rows).filter(shared=True).exclude(owner_id=owner_id)
    if DRIVING_ID in rows.query.annotations:
        # The driving table knows it too, and would else give the ids of everybody's jobs.
        mine = mine.extra(where=["jobs_jobtag.owner_id = %s"], params=[owner_id])
        others = others.extra(
            where=["jobs_jobtag.shared AND jobs_jobtag.owner_id <> %s"], params=[owner_id]
        )
    return [mine, others]


def unindexed(condition: Q) -> Exact | Q:
    """The same condition, for rows that another index finds: none is chosen because of it.

    For SQLite, which knows little of how many rows a condition leaves. PostgreSQL's planner knows,
    and would know nothing of a CASE.
    """
    if connection.vendor == "postgresql":
        return condition
    return Exact(Case(When(condition, then=1), default=0, output_field=IntegerField()), 1)


def walked_past(rows: QuerySet[Any], column: str) -> QuerySet[Any]:
    """The same rows, for the order of a priority or end that an index has: it is walked.

    Left to itself, SQLite gathers all that is mine and all that is shared, and sorts it; and without
    a bound on the column it sorts everything.
    """
    if (bound := BOUNDS.get(column)) is not None:
        rows = rows.filter(bound)
    owner_id = narrowed_to(rows)
    if owner_id is None:
        return rows
    return unnarrowed(rows).filter(unindexed(Q(owner_id=owner_id) | Q(shared=True)))


def narrowed_to(rows: QuerySet[Any]) -> Any:
    """The id of whose sight `rows` is narrowed to; None: nobody's."""
    where = rows.query.where
    if where.connector != AND or where.negated:
        return None
    conditions: list[Any] = where.children
    return next((each.lhs.owner_id for each in conditions if _is_sight(each)), None)


def unnarrowed(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The same rows and those of others."""
    every = rows.all()
    children: list[Any] = every.query.where.children
    children[:] = [each for each in children if not _is_sight(each)]
    return every


def _is_sight(condition: Any) -> bool:
    return isinstance(getattr(condition, "lhs", None), InSight)


def id_of(rows: QuerySet[Any]) -> str:
    """The column to order `rows` by that is the id."""
    return DRIVING_ID if DRIVING_ID in rows.query.annotations else "id"


def count_up_to(rows: QuerySet[Any], cap: int) -> int:
    """How many `rows` there are; `cap` where there are as many or more."""
    return counts_up_to([rows], cap)[0]


def counts_up_to(lists: Sequence[QuerySet[Any]], cap: int) -> list[int]:
    """`count_up_to` of each, in one statement."""
    counts = [0] * len(lists)
    places: list[int] = []
    selects: list[str] = []
    params: list[Any] = []
    for place, rows in enumerate(lists):
        for half in halves(rows):
            try:
                found = half.order_by().values("pk")[:cap].query.sql_with_params()
            except EmptyResultSet:
                continue
            places.append(place)
            selects.append(f"(SELECT COUNT(*) FROM ({found[0]}) AS found)")
            params += found[1]
    if not selects:
        return counts
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(selects)}", params)
        for place, count in zip(places, cursor.fetchone() or (), strict=True):
            counts[place] += count
    return [min(count, cap) for count in counts]


def newest_ids(rows: QuerySet[Any], first: int, last: int) -> list[Any]:
    """The ids of `rows[first:last]`, ordered by the id, the highest first."""
    parts = [part.order_by(f"-{id_of(rows)}").values_list("id", flat=True) for part in halves(rows)]
    if len(parts) == 1:
        return list(parts[0][first:last])
    return sorted((pk for half in parts for pk in half[:last]), reverse=True)[first:last]


def rows_of(rows: QuerySet[Any], ids: Sequence[Any]) -> QuerySet[Any]:
    """Those of `rows` with these ids, which are known to be among them: nothing else is asked."""
    every = rows.all()
    every.query.clear_where()
    every.query.extra_tables = ()
    return every.filter(pk__in=ids)


def first_rows(rows: QuerySet[Any], columns: list[str], limit: int) -> list[Any]:
    """The first `limit` of `rows` by `columns`, which are all descending or all ascending."""
    by_id = columns in (["id"], ["-id"])
    order = [columns[0].replace("id", id_of(rows))] if by_id else columns
    # In another order: the index that has it leads to many of many rows soon, and to few never.
    sortable = by_id or count_up_to(rows, SORTED) < SORTED
    parts = halves(rows) if sortable else [walked_past(rows, columns[0].removeprefix("-"))]
    found = [row for half in parts for row in half.order_by(*order)[:limit]]
    if len(parts) > 1:
        key = attrgetter(*(column.removeprefix("-") for column in columns))
        found.sort(key=key, reverse=columns[0].startswith("-"))
    return found[:limit]
