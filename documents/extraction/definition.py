"""A configuration as the engine uses it: checked, frozen, without YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Type = Literal["text", "integer", "decimal", "date", "datetime", "time", "boolean", "email", "url"]


@dataclass(frozen=True, kw_only=True)
class Call:
    """A transform or validator with its arguments, as the configuration names it."""

    name: str
    arguments: Any = None

    @classmethod
    def of(cls, raw: Any) -> Call:
        if isinstance(raw, str):
            return cls(name=raw)
        ((name, arguments),) = raw.items()
        return cls(name=str(name), arguments=arguments)


@dataclass(frozen=True, kw_only=True)
class ValueRules:
    """What values of a field are like. Lengths in characters."""

    one_of: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None


@dataclass(frozen=True, kw_only=True)
class Field:
    """One column of the canonical table."""

    name: str
    label: str
    type: Type = "text"
    required: bool = False
    synonyms: tuple[str, ...] = ()
    not_headers: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    values: ValueRules = field(default_factory=ValueRules)
    date_order: str = "auto"
    decimal_sign: str = "auto"
    detectors: tuple[str, ...] = ()
    transforms: tuple[Call, ...] = ()
    validators: tuple[Call, ...] = ()

    @property
    def headers(self) -> tuple[str, ...]:
        """All that its column may be called."""
        return tuple(dict.fromkeys((self.label, self.name.replace("_", " "), *self.synonyms)))


@dataclass(frozen=True, kw_only=True)
class TableRules:
    sheets: tuple[str, ...] = ()
    header_rows: int | None = None
    min_columns: int = 2
    min_rows: int = 1
    keep_hidden: bool = False
    keep_totals: bool = False
    total_words: tuple[str, ...] = ()
    fill_merged: bool = True
    stop_at: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Layout:
    sheet: str = "Data"
    columns: tuple[str, ...] = ()
    source_columns: bool = True
    headers: str = "label"
    date_format: str = "yyyy-mm-dd"


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A whole configuration."""

    name: str
    title: str
    description: str = ""
    fields: tuple[Field, ...] = ()
    threshold: float = 0.75
    margin: float = 0.08
    tables: TableRules = field(default_factory=TableRules)
    layout: Layout = field(default_factory=Layout)

    @property
    def output_fields(self) -> tuple[Field, ...]:
        """The fields in the order of the output."""
        if not self.layout.columns:
            return self.fields
        by_name = {field.name: field for field in self.fields}
        return tuple(by_name[name] for name in self.layout.columns)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Definition:
        """From a body that `documents.configurations.checking` found to be right."""
        mapping = body.get("mapping", {})
        tables = dict(body.get("tables", {}))
        header_rows = tables.get("header_rows", "auto")
        output = dict(body.get("output", {}))
        return cls(
            name=body["name"],
            title=body.get("title") or body["name"].replace("-", " ").capitalize(),
            description=body.get("description", ""),
            fields=tuple(_field(raw) for raw in body["fields"]),
            threshold=float(mapping.get("threshold", 0.75)),
            margin=float(mapping.get("margin", 0.08)),
            tables=TableRules(
                sheets=tuple(tables.get("sheets", ())),
                header_rows=None if header_rows == "auto" else int(header_rows),
                min_columns=tables.get("min_columns", 2),
                min_rows=tables.get("min_rows", 1),
                keep_hidden=tables.get("hidden", "skip") == "keep",
                keep_totals=tables.get("totals", "skip") == "keep",
                total_words=tuple(tables.get("total_words", ())),
                fill_merged=tables.get("merged", "fill") == "fill",
                stop_at=tuple(tables.get("stop_at", ())),
            ),
            layout=Layout(
                sheet=output.get("sheet", "Data"),
                columns=tuple(output.get("columns", ())),
                source_columns=output.get("source_columns", True),
                headers=output.get("headers", "label"),
                date_format=output.get("date_format", "yyyy-mm-dd"),
            ),
        )


def _field(raw: Mapping[str, Any]) -> Field:
    rules = dict(raw.get("values", {}))
    rules["one_of"] = tuple(rules.get("one_of", ()))
    return Field(
        name=raw["name"],
        label=raw.get("label") or raw["name"].replace("_", " ").capitalize(),
        type=raw.get("type", "text"),
        required=raw.get("required", False),
        synonyms=tuple(raw.get("synonyms", ())),
        not_headers=tuple(raw.get("not_headers", ())),
        patterns=tuple(raw.get("patterns", ())),
        values=ValueRules(**rules),
        date_order=raw.get("date_order", "auto"),
        decimal_sign=raw.get("decimal_sign", "auto"),
        detectors=tuple(raw.get("detectors", ())),
        transforms=tuple(Call.of(call) for call in raw.get("transforms", ())),
        validators=tuple(Call.of(call) for call in raw.get("validators", ())),
    )
