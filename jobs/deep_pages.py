"""Pages of a list, however many rows it has and however deep they lie."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, cast

from django.core.paginator import EmptyPage, Page, Paginator
from django.db.models import QuerySet

from jobs.sight import WALKED, WALKED_CAP, count_up_to, halves, id_of, newest_ids, rows_of

# Counting stops here: a list of a million rows opens as fast as one of ten.
CAP = 10_000
# From here on counting all rows costs less than passing over so many.
FAR = 200_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts up to the cap and links the pages up to it; deeper ones are reached by their number.

    A page finds the ids of its rows first: an index has them, and the rows that are passed over
    are never read.
    """

    template_name = "admin/jobs/pagination.html"
    cap = CAP

    def __init__(self, object_list: Any, per_page: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(object_list, per_page, *args, **kwargs)
        if WALKED in object_list.query.annotations:
            self.cap = min(self.cap, WALKED_CAP)

    @cached_property
    def counted(self) -> int:
        return count_up_to(self._rows, self.cap + 1)

    @cached_property
    def count(self) -> int:
        return min(self.counted, self.cap)

    @property
    def count_shown(self) -> str:
        return f"{self.cap:,}+" if self.counted > self.cap else f"{self.counted:,}"

    def validate_number(self, number: Any) -> int:
        if self.counted <= self.cap:
            return super().validate_number(number)
        try:
            wanted = int(number)
        except (TypeError, ValueError):
            return super().validate_number(number)
        if wanted <= self.num_pages:
            return super().validate_number(number)
        return wanted

    def get_elided_page_range(self, number: Any = 1, **sides: int) -> Iterator[int | str]:
        yield from super().get_elided_page_range(number, **sides)
        if self.counted > self.cap and int(number) >= self.num_pages:
            yield int(number) + 1

    def page(self, number: Any) -> Page[Any]:
        """:raises EmptyPage: there are not so many rows."""
        number = self.validate_number(number)
        deep = number > self.num_pages
        first = (number - 1) * self.per_page
        last = first + self.per_page
        if (
            not deep
            and self._by_newest
            and (len(halves(self._rows)) > 1 or id_of(self._rows) != "id")
        ):
            ids = newest_ids(self._rows, first, last)
        elif not deep:
            return super().page(number)
        else:
            ids = self._deep_ids(first, last)
        if deep and not ids:
            raise EmptyPage(f"There are fewer than {first:,} rows.")
        return Page(rows_of(self._rows, ids), number, self)

    def _deep_ids(self, first: int, last: int) -> list[Any]:
        """The ids of `rows[first:last]`, found from the end that is nearer."""
        ids = self._rows.values_list("pk", flat=True)
        if self._by_newest and first >= FAR:
            # What is added meanwhile is at the other end: from here it changes nothing.
            total = self._rows.count()
            if first > total // 2:
                return list(ids.reverse()[max(total - last, 0) : max(total - first, 0)])
        return list(ids[first:last])

    @property
    def _by_newest(self) -> bool:
        return tuple(self._rows.query.order_by) in {("-id",), ("-pk",), ("-id", "-pk")}

    @property
    def _rows(self) -> QuerySet[Any]:
        return cast("QuerySet[Any]", self.object_list)
