"""PPTX: slides in their order, titles, text, tables and speaker notes."""

from __future__ import annotations

from typing import Any

from documents.readers.base import Draft, Source, StructureBuilder, Unreadable
from documents.readers.packages import (
    Element,
    attribute,
    child,
    children,
    core_properties,
    local,
    opened,
    part_xml,
    relations,
    warn_of_macros,
)
from documents.structure import Structure

_TITLES = {"title", "ctrTitle"}
_FURNITURE = {"sldNum", "dt", "ftr", "hdr"}
MAX_DEPTH = 40
_EMU_PER_POINT = 12_700


def read(source: Source) -> Structure:
    built = StructureBuilder(source.media_type)
    with opened(source.path) as package:
        main = "ppt/presentation.xml"
        presentation = part_xml(package, main)
        if presentation is None:
            raise Unreadable("damaged", "The file has no presentation part: it is damaged.")
        core_properties(package, built)
        warn_of_macros(package, built)
        targets = relations(package, main)
        size = child(presentation, "sldSz")
        width, height = _points(size, "cx"), _points(size, "cy")
        listed = child(presentation, "sldIdLst")
        slides = [] if listed is None else list(children(listed, "sldId"))
        for number, entry in enumerate(slides, 1):
            # `id` is there twice: the slide's number, and the relation in its own namespace.
            relation = next(
                (value for key, value in entry.attrib.items() if key.endswith("}id")), ""
            )
            part = targets.get(str(relation), "")
            slide = part_xml(package, part) if part else None
            if slide is None:
                built.warn("slide_missing", f"Slide {number} is not in the file.", page=number)
                continue
            built.begin_page(number)
            tree = child(slide, "cSld", "spTree")
            if tree is not None:
                _shapes(built, tree, depth=0)
            for target in relations(package, part).values():
                if "/notesSlides/" in target:
                    notes = part_xml(package, target)
                    tree = child(notes, "cSld", "spTree") if notes is not None else None
                    if tree is not None:
                        _notes(built, tree)
            hidden = attribute(slide, "show") in {"0", "false"}
            built.end_page(name=f"Slide {number}", width=width, height=height, hidden=hidden)
            source.on_page(number, len(slides))
    return built.build()


def _points(size: Element | None, name: str) -> float | None:
    value = (attribute(size, name) or "") if size is not None else ""
    return int(value) / _EMU_PER_POINT if value.isdigit() else None


def _shapes(built: StructureBuilder, tree: Element, *, depth: int) -> None:
    if depth > MAX_DEPTH:
        built.warn("too_deep", "Shapes that are nested too deeply were left out.")
        return
    for shape in tree:
        name = local(shape)
        if name == "sp":
            _shape(built, shape)
        elif name == "grpSp":
            _shapes(built, shape, depth=depth + 1)
        elif name == "graphicFrame":
            table = next((each for each in shape.iter() if local(each) == "tbl"), None)
            if table is not None:
                built.table(_rows(table))
        elif name == "AlternateContent":
            choice = next((each for each in shape if local(each) == "Choice"), None)
            if choice is not None:
                _shapes(built, choice, depth=depth + 1)


def _shape(built: StructureBuilder, shape: Element) -> None:
    placeholder = next((each for each in shape.iter() if local(each) == "ph"), None)
    role = (attribute(placeholder, "type") or "body") if placeholder is not None else ""
    body = child(shape, "txBody")
    if body is None or role in _FURNITURE:
        return
    if role in _TITLES:
        text = " ".join(filter(None, (_text(p) for p in children(body, "p"))))
        built.block("heading", text, level=1)
        return
    for paragraph in children(body, "p"):
        properties = child(paragraph, "pPr")
        level = (attribute(properties, "lvl") or "0") if properties is not None else "0"
        bullet = properties is not None and any(
            local(each) in {"buChar", "buAutoNum"} for each in properties
        )
        deep = int(level) if level.isdigit() else 0
        if bullet or (role == "body" and deep):
            built.block("list_item", _text(paragraph), level=deep + 1)
        else:
            built.block("paragraph", _text(paragraph))


def _notes(built: StructureBuilder, tree: Element) -> None:
    for shape in children(tree, "sp"):
        placeholder = next((each for each in shape.iter() if local(each) == "ph"), None)
        body = child(shape, "txBody")
        if body is None or placeholder is None or attribute(placeholder, "type") != "body":
            continue
        built.block("note", "\n".join(filter(None, (_text(p) for p in children(body, "p")))))


def _rows(table: Element) -> list[list[Draft | None]]:
    rows: list[list[Draft | None]] = []
    for row in children(table, "tr"):
        line: list[Draft | None] = []
        for cell in children(row, "tc"):
            if attribute(cell, "hMerge") in {"1", "true"} or attribute(cell, "vMerge") in {
                "1",
                "true",
            }:
                line.append(None)
                continue
            text = "\n".join(filter(None, (_text(p) for p in cell.iter() if local(p) == "p")))
            line.append(
                Draft(text=text, rowspan=_span(cell, "rowSpan"), colspan=_span(cell, "gridSpan"))
            )
        rows.append(line)
    # A span that the file claims beyond its rows would leave the table.
    return [
        [None if cell is None else _fit(cell, len(rows) - number) for cell in line]
        for number, line in enumerate(rows)
    ]


def _fit(cell: Draft, rows_left: int) -> Draft:
    return Draft(text=cell.text, rowspan=min(cell.rowspan, rows_left), colspan=cell.colspan)


def _span(cell: Element, name: str) -> int:
    value = attribute(cell, name) or ""
    return max(1, min(int(value), 1000)) if value.isdigit() else 1


def _text(paragraph: Element) -> str:
    parts: list[Any] = []
    for element in paragraph.iter():
        name = local(element)
        if name == "t":
            parts.append(element.text or "")
        elif name == "br":
            parts.append("\n")
        elif name == "tab":
            parts.append("\t")
    return "".join(parts)
