"""Lists of jobs read on the indexes that there are for them.

"Mine or shared" is no range of any index: a database walks past everything of others, or sorts all
that is mine. Each half is a range. So a list is read half by half and merged, at most as much of
each as the page needs. And a list that a table beside the jobs drives (its tags) is read in that
table's order, which is the same one.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.sql.where import AND

# The name under which a queryset has the id that the driving table gives: equal to the row's own.
DRIVING_ID = "driving_id"
# The mark of a queryset whose ids were found before, so few that halves are no help.
CHOSEN = "chosen_ids"
# The mark of a queryset whose rows are met by walking past others: counted only so far.
WALKED = "walked"
WALKED_CAP = 1_000
# As many rows are sorted where no index has the order.
SORTED = 10_000


class InSight(ExpressionWrapper):  # type: ignore[type-arg]  # not generic at run time
    """The condition "owned by this user, or shared"; `halves` finds it again in a query."""

    def __init__(self, owner_id: Any) -> None:
        super().__init__(Q(owner_id=owner_id) | Q(shared=True), output_field=BooleanField())
        self.owner_id = owner_id


def halves(rows: QuerySet[Any]) -> list[QuerySet[Any]]:
    """`rows` as disjoint querysets that are together the same; one when all of it is in sight.

    `rows` is not sliced.
    """
    where = rows.query.where
    if CHOSEN in rows.query.annotations:
        return [rows]
    if where.connector != AND or where.negated:
        return [rows]
    for place, condition in enumerate(where.children):
        sight = getattr(condition, "lhs", None)
        if isinstance(sight, InSight):
            mine, shared = rows.all(), rows.all()
            for half in (mine, shared):
                del half.query.where.children[place]
            return [
                mine.filter(owner_id=sight.owner_id),
                shared.filter(shared=True).exclude(owner_id=sight.owner_id),
            ]
    return [rows]


def id_of(rows: QuerySet[Any]) -> str:
    """The column to order `rows` by that is the id."""
    return DRIVING_ID if DRIVING_ID in rows.query.annotations else "id"


def count_up_to(rows: QuerySet[Any], cap: int) -> int:
    """How many `rows` there are; `cap` where there are as many or more."""
    found = 0
    for half in halves(rows):
        if found < cap:
            found += half.order_by()[: cap - found].count()
    return found


def newest_ids(rows: QuerySet[Any], first: int, last: int) -> list[Any]:
    """The ids of `rows[first:last]`, ordered by the id, the highest first."""
    parts = [part.order_by(f"-{id_of(rows)}").values_list("id", flat=True) for part in halves(rows)]
    if len(parts) == 1:
        return list(parts[0][first:last])
    return sorted((pk for half in parts for pk in half[:last]), reverse=True)[first:last]


def first_rows(rows: QuerySet[Any], columns: list[str], limit: int) -> list[Any]:
    """The first `limit` of `rows` by `columns`, which are all descending or all ascending."""
    by_id = columns in (["id"], ["-id"])
    order = [columns[0].replace("id", id_of(rows))] if by_id else columns
    # In another order: the index that has it leads to many of many rows soon, and to few never.
    parts = halves(rows) if by_id or count_up_to(rows, SORTED) < SORTED else [rows]
    found = [row for half in parts for row in half.order_by(*order)[:limit]]
    if len(parts) > 1:
        key = attrgetter(*(column.removeprefix("-") for column in columns))
        found.sort(key=key, reverse=columns[0].startswith("-"))
    return found[:limit]
