"""Pages that stay right while rows are added, and cost the same however deep."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

from jobs.api.problem import Problem
from jobs.sight import first_rows, id_of

MAX_CURSOR_CHARS = 2_000


class NewestFirst(CursorPagination):
    """By id, which sorts by time; for rows that are ordered by one unique column."""

    ordering: Any = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any] | None:
        """:raises BadCursor: a cursor that was not given out for this list."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ValidationError, ValueError) as error:
            raise BadCursor from error


class ByPath(NewestFirst):
    ordering = "path"
    page_size = 200
    max_page_size = 1_000


@dataclass(frozen=True)
class Order:
    """A column to sort by, then the id: two rows never tie. The column has no nulls."""

    column: str
    descending: bool

    @property
    def columns(self) -> list[str]:
        sign = "-" if self.descending else ""
        return [sign + name for name in dict.fromkeys((self.column, "id"))]

    def reversed(self) -> Order:
        return Order(self.column, not self.descending)

    def beyond(self, position: list[Any], *, id_column: str = "id") -> Q:
        """The rows that follow the row at `position`."""
        way = "lt" if self.descending else "gt"
        if self.column == "id":
            return Q(**{f"{id_column}__{way}": position[0]})
        # The first condition alone lets the index in; the second leaves out the ties before.
        return Q(**{f"{self.column}__{way}e": position[0]}) & (
            Q(**{f"{self.column}__{way}": position[0]})
            | Q(**{self.column: position[0], f"id__{way}": position[1]})
        )

    def position(self, row: Model) -> list[Any]:
        return [getattr(row, name.removeprefix("-")) for name in self.columns]


class Paging(serializers.Serializer[Any]):
    """What every list takes."""

    limit = serializers.IntegerField(min_value=1, max_value=200, default=50)
    cursor = serializers.CharField(max_length=MAX_CURSOR_CHARS, required=False)


class BadCursor(Problem):
    """This cursor was not given out for this list."""

    def __init__(self) -> None:
        message = "Not a cursor of this list. Take it from `next` or `previous` of a page."
        super().__init__(status=400, code="invalid", detail=message, errors={"cursor": [message]})


def keyset_page(
    *, rows: QuerySet[Any], order: Order, limit: int, cursor: str, request: Request
) -> tuple[list[Any], dict[str, str | None]]:
    """One page of `rows` and the links `next` and `previous` around it.

    :raises BadCursor: `cursor` is malformed, or of another ordering.
    """
    backward, position = _read(cursor, order, rows.model) if cursor else (False, None)
    way = order.reversed() if backward else order
    if position is not None:
        rows = rows.filter(way.beyond(position, id_column=id_of(rows)))
    found = first_rows(rows, way.columns, limit + 1)
    more = len(found) > limit
    page = found[:limit]
    if backward:
        page.reverse()
    has_next = backward or more
    has_previous = more if backward else position is not None
    url = remove_query_param(request.build_absolute_uri(), "cursor")

    def link(row: Any, *, back: bool) -> str:
        return str(replace_query_param(url, "cursor", _written(order, row, back=back)))

    return page, {
        "next": link(page[-1], back=False) if has_next and page else None,
        "previous": link(page[0], back=True) if has_previous and page else None,
    }


def page_response(results: list[Any], links: dict[str, str | None], **more: Any) -> Response:
    return Response({**links, **more, "results": results})


def newest_page(
    *, rows: QuerySet[Any], given: Mapping[str, Any], request: Request, dto: Callable[[Any], Any]
) -> Response:
    """A page of `rows`, newest first; `given` is a validated `Paging`.

    :raises BadCursor: see `keyset_page`.
    """
    page, links = keyset_page(
        rows=rows,
        order=Order("id", descending=True),
        limit=given["limit"],
        cursor=given.get("cursor", ""),
        request=request,
    )
    return page_response([dto(row) for row in page], links)


def ordered_page(
    *, pages: NewestFirst, rows: QuerySet[Any], request: Request, dto: Callable[[Any], Any]
) -> Response:
    """A page of `rows` in the order of `pages`.

    :raises BadCursor: a cursor that was not given out for this list.
    """
    page = pages.paginate_queryset(rows, request) or []
    return pages.get_paginated_response([dto(row) for row in page])


def _written(order: Order, row: Any, *, back: bool) -> str:
    state = [order.columns, back, [str(value) for value in order.position(row)]]
    return base64.urlsafe_b64encode(json.dumps(state).encode()).decode().rstrip("=")


def _read(cursor: str, order: Order, model: type[Model]) -> tuple[bool, list[Any]]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        columns, back, texts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if columns != order.columns or not isinstance(back, bool) or len(texts) != len(columns):
            raise BadCursor
        values = [
            model._meta.get_field(name.removeprefix("-")).to_python(text)  # type: ignore[union-attr]
            for name, text in zip(columns, texts, strict=True)
        ]
    except (binascii.Error, ValueError, TypeError, ValidationError) as error:
        raise BadCursor from error
    return back, values
