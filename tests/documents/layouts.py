"""Makes tables as the world sends them, with the truth beside them: a seeded generator.

Its words come from `layout_words`, which the engine was looked at with, or from `held_out_words`,
which nothing was tuned on.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from tests.documents.layout_words import (
    COUNTRIES,
    NAMES,
    NOISE,
    NOTES,
    PLACEHOLDERS,
    PLACES,
    SURNAMES,
    TITLES,
    TOTALS,
    WORDS,
    WORLD,
)

Cells = list[Any]


@dataclass(kw_only=True)
class Layout:
    """One table: its rows, and for each of its columns what it truly is.

    `truth` is the field's name, or None for what is no field. `kinds`: plain, typo, placeholder (its
    header says nothing), duplicate (one header twice), noise (no field at all).
    """

    configuration: str
    rows: list[Cells]
    truth: list[str | None]
    kinds: list[str]
    first_column: int
    body: int
    variants: tuple[str, ...]


Makers = dict[str, Callable[[int], Any]]


@dataclass(frozen=True, kw_only=True)
class Words:
    """What one set of layouts is made of: headers of each field, headers of no field, and values."""

    world: Mapping[str, Mapping[str, Sequence[str]]]
    noise: Mapping[str, Sequence[str]]
    makers: Callable[[Layouts], Makers]


def layouts(count: int, seed: int, words: Words | None = None) -> list[Layout]:
    words = words or Words(world=WORLD, noise=NOISE, makers=Layouts.makers)
    names = list(words.world)
    return [
        Layouts(random.Random(f"{seed}-{number}"), names[number % len(names)], words).make()
        for number in range(count)
    ]


class Layouts:
    def __init__(self, chance: random.Random, configuration: str, words: Words) -> None:
        self.chance = chance
        self._words = words
        self._name = configuration
        self._order = chance.choice(["dmy", "mdy", "iso"])
        self._comma = chance.random() < 0.4

    def make(self) -> Layout:
        chance = self.chance
        world = self._words.world[self._name]
        fields = list(world)
        keep = chance.sample(fields, chance.randint(max(3, len(fields) - 4), len(fields)))
        variants: list[str] = []
        columns: list[tuple[str | None, str, str]] = []
        for field in keep:
            header = chance.choice(world[field])
            kind = "plain"
            roll = chance.random()
            if roll < 0.12 and len(header) > 6:
                header, kind = self._typo(header), "typo"
            elif roll < 0.2:
                header, kind = chance.choice(PLACEHOLDERS), "placeholder"
            elif roll < 0.3:
                header = chance.choice(
                    [header.upper(), header.lower(), f" {header} ", header + ":"]
                )
            columns.append((field, header, kind))
        for header in chance.sample(self._words.noise[self._name], chance.randint(0, 4)):
            columns.append((None, header, "noise"))
        if chance.random() < 0.12:
            field, header, kind = chance.choice(columns)
            if field and kind == "plain" and header.strip():
                # The same header twice: which of them is it?
                columns = [
                    (None if c[0] == field else c[0], c[1], "duplicate" if c[0] == field else c[2])
                    for c in columns
                ]
                columns.append((None, header, "duplicate"))
                self._doubled = field
                variants.append("duplicate")
        chance.shuffle(columns)
        body = chance.randint(6, 40)
        makers = [self._maker(field, kind) for field, _, kind in columns]
        table = [[make(row) for make in makers] for row in range(body)]
        heads = [header for _, header, _ in columns]
        if chance.random() < 0.06:
            variants.append("headless")
            heads = []
            columns = [(field, "", "placeholder") for field, _, _ in columns]
        rows = self._around(heads, table, len(columns), variants)
        shift = 0
        if chance.random() < 0.15:
            shift = chance.randint(1, 3)
            rows = [[None] * shift + row for row in rows]
            variants.append("shifted")
        return Layout(
            configuration=self._name,
            rows=rows,
            truth=[field for field, _, _ in columns],
            kinds=[kind for _, _, kind in columns],
            first_column=shift + 1,
            body=body,
            variants=tuple(variants),
        )

    def _around(
        self, heads: Cells, table: list[Cells], width: int, variants: list[str]
    ) -> list[Cells]:
        chance = self.chance
        rows: list[Cells] = []
        if chance.random() < 0.5:
            rows += [[chance.choice(TITLES)] for _ in range(chance.randint(1, 3))]
            variants.append("titles")
            if chance.random() < 0.6:
                rows.append([])
        if heads:
            rows.append(heads)
        rows += table
        if chance.random() < 0.35:
            total: Cells = [None] * width
            total[0] = chance.choice(TOTALS)
            total[-1] = round(chance.uniform(100, 9999), 2)
            rows.append(total)
            variants.append("total")
        if chance.random() < 0.3:
            rows += [[], [chance.choice(NOTES)]]
            variants.append("note")
        return rows

    def _typo(self, header: str) -> str:
        chance = self.chance
        places = [
            i for i in range(1, len(header) - 1) if header[i].isalpha() and header[i + 1].isalpha()
        ]
        if not places:
            return header
        at = chance.choice(places)
        what = chance.choice(["swap", "drop", "double", "other"])
        if what == "swap":
            return header[:at] + header[at + 1] + header[at] + header[at + 2 :]
        if what == "drop":
            return header[:at] + header[at + 1 :]
        if what == "double":
            return header[:at] + header[at] + header[at:]
        return header[:at] + chance.choice(string.ascii_lowercase) + header[at + 1 :]

    def _maker(self, field: str | None, kind: str) -> Callable[[int], Any]:
        chance = self.chance
        if kind == "duplicate":
            field = getattr(self, "_doubled", None) or field
        makers = self._words.makers(self)
        if field is not None:
            made = makers[field]
            empty = chance.choice([0.0, 0.0, 0.1, 0.3]) if field not in {"email"} else 0.0
            return lambda row: None if chance.random() < empty else made(row)
        return chance.choice(
            [
                lambda row: self.money(chance.uniform(1, 4000)),
                lambda row: self.date(),
                lambda row: " ".join(chance.sample(WORDS, chance.randint(1, 4))),
                lambda row: chance.randint(1, 99),
                lambda row: chance.choice(["A", "B"]),
            ]
        )

    def makers(self) -> Makers:
        """What makes a value of each field."""
        chance = self.chance
        number = lambda row: self.money(chance.uniform(1, 4000))  # noqa: E731
        day = lambda row: self.date()  # noqa: E731
        words = lambda row: " ".join(chance.sample(WORDS, chance.randint(1, 4)))  # noqa: E731
        prefix = "".join(chance.sample(string.ascii_uppercase, 2))
        return {
            "invoice_number": lambda row: f"{prefix}{chance.randint(10000, 99999)}-{row}",
            "invoice_date": day,
            "due_date": day,
            "valid_from": day,
            "gross_amount": number,
            "discount": number,
            "net_amount": number,
            "unit_price": number,
            "currency": lambda row: chance.choice(["EUR", "USD", "GBP", "CHF"]),
            "sku": lambda row: f"{prefix}-{chance.randint(100, 9999)}.{row}",
            "name": words,
            "ean": lambda row: "".join(chance.choice(string.digits) for _ in range(13)),
            "unit": lambda row: chance.choice(["pcs", "kg", "m", "box", "Stk"]),
            "min_quantity": lambda row: chance.choice([1, 5, 10, 25, 100]),
            "first_name": lambda row: chance.choice(NAMES),
            "last_name": lambda row: chance.choice(SURNAMES),
            "company": lambda row: (
                f"{chance.choice(SURNAMES)} {chance.choice(['Ltd', 'GmbH', 'SA'])}"
            ),
            "email": lambda row: f"{chance.choice(NAMES).lower()}{row}@example.com",
            "phone": lambda row: (
                f"+4{chance.randint(1, 9)} {chance.randint(10, 99)} {chance.randint(100000, 999999)}"
            ),
            "mobile": lambda row: (
                f"+4{chance.randint(1, 9)} 1{chance.randint(50, 79)} {chance.randint(1000000, 9999999)}"
            ),
            "city": lambda row: chance.choice(PLACES),
            "country": lambda row: chance.choice(COUNTRIES),
            "case_id": lambda row: f"TC-{row + 1:03}",
            "title": lambda row: f"User can {' '.join(chance.sample(WORDS, 2))}",
            "preconditions": lambda row: f"The {chance.choice(WORDS)} is open",
            "steps": lambda row: f"1. Open {chance.choice(WORDS)}\n2. Press {chance.choice(WORDS)}",
            "expected": lambda row: f"A {chance.choice(WORDS)} is shown",
            "priority": lambda row: chance.choice(["High", "Medium", "Low"]),
            "status": lambda row: chance.choice(["passed", "failed", "open"]),
            "requirement": lambda row: f"REQ-{chance.randint(1, 90)}",
        }

    def date(self) -> Any:
        day = date(2024, 1, 1) + timedelta(days=self.chance.randint(0, 700))
        if self._order == "iso":
            return day
        return day.strftime("%d.%m.%Y" if self._order == "dmy" else "%m/%d/%Y")

    def money(self, value: float) -> Any:
        if not self._comma:
            return round(value, 2)
        return f"{value:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".")
