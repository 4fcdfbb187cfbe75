"""DOCX: headings, paragraphs, lists, tables, notes and comments, by an own walk over its parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from documents.readers.base import Draft, Source, StructureBuilder, Unreadable, tidy
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
from documents.structure import BlockKind, Structure

# Beyond this a table within tables within tables is an attack on the stack, not a layout.
MAX_DEPTH = 40
_NOTES = {"footnotes": "note", "endnotes": "note", "comments": "note"}
_SKIPPED = {"del", "moveFrom", "instrText", "delText", "Fallback"}
_TEXTS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_HEADING = re.compile(r"(?:heading|überschrift|titre|título|titolo|kop|rubrik)\s*(\d)", re.I)


def read(source: Source) -> Structure:
    built = StructureBuilder(source.media_type)
    with opened(source.path) as package:
        # The package's own relations lie in _rels/.rels: those of the part without a name.
        of_package = relations(package, "")
        main = next(
            (part for part in of_package.values() if part.endswith("document.xml")),
            "word/document.xml",
        )
        document = part_xml(package, main)
        if document is None:
            raise Unreadable("damaged", "The file has no main document part: it is damaged.")
        core_properties(package, built)
        warn_of_macros(package, built)
        levels = _heading_levels(package, main)
        walk = _Walk(built, levels)
        body = child(document, "body")
        if body is not None:
            walk.body(body, depth=0)
        for target in relations(package, main).values():
            name = target.rpartition("/")[2].removesuffix(".xml")
            if name in _NOTES or re.fullmatch(r"(?:header|footer)\d*", name):
                part = part_xml(package, target)
                if part is not None:
                    walk.notes(part, "note")
    return built.build()


class _Walk:
    def __init__(self, built: StructureBuilder, levels: dict[str, int]) -> None:
        self._built = built
        self._levels = levels

    def body(self, parent: Element, *, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._built.warn("too_deep", "Parts that are nested too deeply were left out.")
            return
        for element in parent:
            name = local(element)
            if name == "p":
                self._paragraph(element, depth)
            elif name == "tbl":
                self._built.table(self._rows(element, depth))
            elif name in {"sdt", "sdtContent", "ins", "smartTag", "customXml", "moveTo"}:
                self.body(element, depth=depth + 1)

    def notes(self, root: Element, kind: BlockKind) -> None:
        """Foot- and endnotes, comments, headers and footers, after the running text."""
        groups = [root] if local(root) in {"hdr", "ftr"} else list(root)
        for group in groups:
            if attribute(group, "type") in {"separator", "continuationSeparator"}:
                continue
            text = "\n".join(filter(None, (_text(p) for p in group.iter() if local(p) == "p")))
            author = attribute(group, "author")
            self._built.block(kind, f"{author}: {text}" if author and text else text)

    def _paragraph(self, element: Element, depth: int) -> None:
        properties = child(element, "pPr")
        style = child(properties, "pStyle") if properties is not None else None
        style_id = (attribute(style, "val") or "") if style is not None else ""
        outline = child(properties, "outlineLvl") if properties is not None else None
        numbering = child(properties, "numPr") if properties is not None else None
        level = self._levels.get(style_id, 0)
        if outline is not None and (attribute(outline, "val") or "").isdigit():
            level = min(int(attribute(outline, "val") or 0), 8) + 1
        text = _text(element)
        if level:
            self._built.block("heading", text, level=level)
        elif numbering is not None:
            indent = child(numbering, "ilvl")
            depth_said = (attribute(indent, "val") or "") if indent is not None else ""
            deep = int(depth_said) + 1 if depth_said.isdigit() else 1
            self._built.block("list_item", text, level=deep)
        else:
            self._built.block("paragraph", text)
        for box in (each for each in element.iter() if local(each) == "txbxContent"):
            if not any(local(up) == "Fallback" for up in box.iterancestors()):
                self.body(box, depth=depth + 1)

    def _rows(self, table: Element, depth: int) -> Iterator[list[Draft | None]]:
        rows: list[list[Draft | None]] = []
        # Column → where the vertically merged cell above began.
        merged: dict[int, tuple[int, int]] = {}
        for row in _table_rows(table):
            line: list[Draft | None] = []
            col = 0
            for cell in (each for each in _flat(row) if local(each) == "tc"):
                properties = child(cell, "tcPr")
                span = _number(child(properties, "gridSpan")) if properties is not None else 1
                vertical = child(properties, "vMerge") if properties is not None else None
                if (
                    vertical is not None
                    and attribute(vertical, "val") != "restart"
                    and col in merged
                ):
                    top, left = merged[col]
                    above = rows[top][left] if top < len(rows) else line[left]
                    if above is not None:
                        taller = len(rows) - top + 1
                        rows[top][left] = Draft(
                            text=above.text, rowspan=taller, colspan=above.colspan
                        )
                    line += [None] * span
                else:
                    text = "\n".join(
                        filter(None, (_text(p) for p in cell.iter() if local(p) == "p"))
                    )
                    line.append(Draft(text=tidy(text), colspan=span))
                    line += [None] * (span - 1)
                    merged.pop(col, None)
                    if vertical is not None:
                        merged[col] = (len(rows), col)
                col += span
            rows.append(line)
        return iter(rows)


def _table_rows(table: Element) -> Iterator[Element]:
    return (each for each in _flat(table) if local(each) == "tr")


def _flat(parent: Element) -> Iterator[Element]:
    """Children, through the wrappers that tracked changes and content controls put around them."""
    for element in parent:
        if local(element) in {"sdt", "sdtContent", "ins", "customXml", "moveTo"}:
            yield from _flat(element)
        else:
            yield element


def _number(element: Element | None) -> int:
    value = (attribute(element, "val") or "") if element is not None else ""
    return max(1, min(int(value), 1000)) if value.isdigit() else 1


def _text(paragraph: Element) -> str:
    """The paragraph's own text: without deleted text, field codes and text boxes."""
    parts: list[str] = []
    stack: list[Any] = [iter(paragraph)]
    while stack:
        element = next(stack[-1], None)
        if element is None:
            stack.pop()
            continue
        name = local(element)
        if name == "t":
            parts.append(element.text or "")
        elif name in _TEXTS:
            parts.append(_TEXTS[name])
        elif name in _SKIPPED or name in {"txbxContent", "pPr", "rPr"}:
            continue
        elif len(stack) < 200:
            stack.append(iter(element))
    return "".join(parts)


def _heading_levels(package: Any, main: str) -> dict[str, int]:
    """Style id → heading level, by the styles' names and outline levels, through inheritance."""
    folder = main.rpartition("/")[0]
    root = part_xml(package, f"{folder}/styles.xml")
    own: dict[str, int] = {}
    based: dict[str, str] = {}
    for style in () if root is None else children(root, "style"):
        style_id = attribute(style, "styleId") or ""
        name_element = child(style, "name")
        name = (attribute(name_element, "val") or "") if name_element is not None else ""
        outline = child(style, "pPr", "outlineLvl")
        level = attribute(outline, "val") if outline is not None else None
        if level is not None and level.isdigit() and int(level) < 9:
            own[style_id] = int(level) + 1
        elif match := _HEADING.fullmatch(name.strip()):
            own[style_id] = int(match.group(1))
        elif name.strip().lower() == "title":
            own[style_id] = 1
        parent = child(style, "basedOn")
        if parent is not None:
            based[style_id] = attribute(parent, "val") or ""
    found = dict(own)
    for style_id in based:
        seen, up = {style_id}, style_id
        while up not in own and (up := based.get(up, "")) and up not in seen:
            seen.add(up)
        if up in own:
            found[style_id] = own[up]
    return found
