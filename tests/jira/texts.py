"""Rich texts, written once and said in ADF for Cloud and in wiki markup for Server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# A text is a list of these: ("h", 2, words), ("p", words), ("ul"|"ol", [words…]), ("code", words),
# ("panel", words), ("quote", words), ("table", [[words…]…]), ("mention", id, name, words).
Text = Sequence[tuple[Any, ...]]


def adf(text: Text) -> dict[str, Any]:
    return {"type": "doc", "version": 1, "content": [_node(*each) for each in text]}


def wiki(text: Text) -> str:
    return "\n\n".join(_markup(*each) for each in text)


def words(text: Text) -> list[str]:
    """Everything that is said, piece by piece."""
    found: list[str] = []
    for sort, *rest in text:
        value = rest[-1]
        if sort == "table":
            found += [cell for row in value for cell in row]
        elif isinstance(value, list):
            found += value
        else:
            found.append(value)
    return found


def _words(value: str, **marks: Any) -> dict[str, Any]:
    node: dict[str, Any] = {"type": "text", "text": value}
    return {**node, "marks": [{"type": name} for name in marks]} if marks else node


def _para(value: str) -> dict[str, Any]:
    return {"type": "paragraph", "content": [_words(value)]}


def _node(sort: str, *rest: Any) -> dict[str, Any]:
    if sort == "h":
        return {"type": "heading", "attrs": {"level": rest[0]}, "content": [_words(rest[1])]}
    if sort == "p":
        first, _, more = rest[0].partition(" ")
        return {"type": "paragraph", "content": [_words(first, strong=True), _words(f" {more}")]}
    if sort in {"ul", "ol"}:
        name = "bulletList" if sort == "ul" else "orderedList"
        return {
            "type": name,
            "content": [{"type": "listItem", "content": [_para(each)]} for each in rest[0]],
        }
    if sort == "code":
        return {"type": "codeBlock", "attrs": {"language": "text"}, "content": [_words(rest[0])]}
    if sort == "panel":
        return {"type": "panel", "attrs": {"panelType": "warning"}, "content": [_para(rest[0])]}
    if sort == "quote":
        return {"type": "blockquote", "content": [_para(rest[0])]}
    if sort == "mention":
        id, name, said = rest
        mention = {"type": "mention", "attrs": {"id": id, "text": f"@{name}"}}
        return {"type": "paragraph", "content": [mention, _words(f" {said}")]}
    assert sort == "table", sort
    rows = []
    for number, row in enumerate(rest[0]):
        kind = "tableCell" if number else "tableHeader"
        cells = [{"type": kind, "attrs": {}, "content": [_para(cell)]} for cell in row]
        rows.append({"type": "tableRow", "content": cells})
    return {"type": "table", "attrs": {"layout": "default"}, "content": rows}


def _markup(sort: str, *rest: Any) -> str:
    if sort == "h":
        return f"h{rest[0]}. {rest[1]}"
    if sort == "p":
        first, _, more = rest[0].partition(" ")
        return f"*{first}* {more}"
    if sort in {"ul", "ol"}:
        mark = "*" if sort == "ul" else "#"
        return "\n".join(f"{mark} {each}" for each in rest[0])
    if sort == "code":
        return f"{{code:text}}\n{rest[0]}\n{{code}}"
    if sort == "panel":
        return f"{{panel}}\n{rest[0]}\n{{panel}}"
    if sort == "quote":
        return f"{{quote}}\n{rest[0]}\n{{quote}}"
    if sort == "mention":
        return f"[~{rest[0]}] {rest[2]}"
    assert sort == "table", sort
    return "\n".join(
        ("||" if not number else "|")
        + ("||" if not number else "|").join(row)
        + ("||" if not number else "|")
        for number, row in enumerate(rest[0])
    )
