"""What a whole column decides that one value can not: the order of its dates, its decimal sign."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from documents.extraction.values import _ISO_TIME, number_shape, readings


class Evidence:
    """Collects over a column. What contradicts itself decides nothing."""

    def __init__(self) -> None:
        self._orders: set[str] = set()
        self._signs: set[str] = set()
        self.ambiguous_dates = False
        self.ambiguous_numbers = False
        # What other columns of the same table decided, and which of them.
        self.order_from: tuple[str, str] | None = None
        self.sign_from: tuple[str, str] | None = None

    def see(self, raw: Any) -> None:
        if not isinstance(raw, str) or not raw:
            return
        text = raw.strip()
        if not any(char.isdigit() for char in text[:40]):
            return
        shape = number_shape(text)
        if shape in {"point", "comma"}:
            self._signs.add(shape)
        elif shape == "both":
            self.ambiguous_numbers = True
        ways = readings(text)
        if not ways and (match := _ISO_TIME.search(text)):
            ways = readings(text[: match.start()])
        orders = {order for order, _ in ways}
        if len(ways) == 1 and ways[0][0]:
            self._orders.add(ways[0][0])
        elif len({day for _, day in ways}) > 1:
            self.ambiguous_dates = True
            # A two-digit year in front is one of three ways; without it, two are left.
            if orders == {"dmy", "ymd"} or orders == {"mdy", "ymd"}:
                self._orders.add(next(iter(orders - {"ymd"})))

    def see_all(self, values: Iterable[Any]) -> None:
        for value in values:
            self.see(value)

    @property
    def open(self) -> bool:
        """Whether something ambiguous was seen, so that every further value is worth a look."""
        return self.ambiguous_dates or self.ambiguous_numbers

    @property
    def date_order(self) -> str:
        if not self._orders and self.order_from:
            return self.order_from[0]
        return next(iter(self._orders)) if len(self._orders) == 1 else ""

    @property
    def decimal_sign(self) -> str:
        if not self._signs and self.sign_from:
            return self.sign_from[0]
        return next(iter(self._signs)) if len(self._signs) == 1 else ""


def share(columns: Iterable[tuple[str, Evidence]]) -> None:
    """Let columns that decide nothing follow those of their table that agree: (letters, evidence).

    Whoever wrote 25.03. in one column did not write 03.25. in the next. Where the decision came from
    is kept, and reported.
    """
    columns = list(columns)
    orders = [(each.date_order, name) for name, each in columns if each.date_order]
    signs = [(each.decimal_sign, name) for name, each in columns if each.decimal_sign]
    for _, each in columns:
        if (
            each.ambiguous_dates
            and not each.date_order
            and len({order for order, _ in orders}) == 1
        ):
            each.order_from = orders[0]
        if (
            each.ambiguous_numbers
            and not each.decimal_sign
            and len({sign for sign, _ in signs}) == 1
        ):
            each.sign_from = signs[0]
