"""One issue as a document: its fields, its texts and its comments, each where a search finds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from documents.readers.base import StructureBuilder
from documents.structure import Structure
from ingestion.jira.api import FieldInfo
from ingestion.jira.pieces import write
from ingestion.jira.values import is_document, moment, rich, shown

MEDIA_TYPE = "application/vnd.atlassian.jira.issue+json"
TITLE_MAX = 500


def fields_of(issue: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = issue.get("fields")
    return fields if isinstance(fields, Mapping) else {}


def title_of(issue: Mapping[str, Any]) -> str:
    return f"{issue.get('key', '')} {shown(fields_of(issue).get('summary'))}".strip()[:TITLE_MAX]


def labels_of(issue: Mapping[str, Any]) -> tuple[str, ...]:
    """Its own labels, and what people filter by besides, such as `project:SHOP`."""
    fields = fields_of(issue)
    project = fields.get("project")
    key = project.get("key") if isinstance(project, Mapping) else None
    found = [each for each in _list(fields.get("labels")) if isinstance(each, str)]
    found.append(f"project:{key or str(issue.get('key', '')).rpartition('-')[0]}")
    for name, field in (("type", "issuetype"), ("status", "status")):
        if said := shown(fields.get(field)):
            found.append(f"{name}:{said}")
    found += [f"component:{said}" for each in _list(fields.get("components")) if (said := shown(each))]  # fmt: skip
    return tuple(dict.fromkeys(found))


def attachments_of(issue: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = _list(fields_of(issue).get("attachment"))
    return [each for each in found if isinstance(each, Mapping) and each.get("id")]


def is_restricted(comment: Mapping[str, Any]) -> bool:
    """Whether only some of those who see the issue may see it: a role, a group, the agents."""
    return bool(comment.get("visibility")) or comment.get("jsdPublic") is False


def structure_of(
    issue: Mapping[str, Any],
    *,
    fields: Sequence[FieldInfo],
    comments: Iterable[Mapping[str, Any]],
    restricted: bool,
) -> Structure:
    """The issue's text. `fields` are those that are told besides summary and description;
    `restricted` takes comments that not everybody may see.
    """
    built = StructureBuilder(MEDIA_TYPE)
    values = fields_of(issue)
    built.block("heading", title_of(issue), level=1)
    long: list[tuple[str, Any]] = []
    facts = []
    for field in fields:
        value = values.get(field.id)
        if _is_text(field, value):
            long.append((field.name, value))
        elif said := shown(value):
            facts.append(f"{field.name}: {said}")
    built.block("paragraph", "\n".join(facts))
    for name, value in (("Description", values.get("description")), *long):
        _text(built, name, value)
    if attached := attachments_of(issue):
        built.block("heading", "Attachments", level=2)
        for each in attached:
            built.block("list_item", shown(each.get("filename")) or str(each["id"]), level=1)
    _comments(built, comments, restricted)
    built.meta("key", issue.get("key"))
    return built.build()


def _is_text(field: FieldInfo, value: Any) -> bool:
    return is_document(value) or (
        isinstance(value, str) and (field.multiline or field.id == "environment")
    )


def _text(built: StructureBuilder, name: str, value: Any) -> None:
    pieces, unknown = rich(value)
    if pieces:
        built.block("heading", name, level=2)
        write(built, pieces, under=2)
    _warn(built, unknown)


def _comments(
    built: StructureBuilder, comments: Iterable[Mapping[str, Any]], restricted: bool
) -> None:
    left_out = told = 0
    for comment in comments:
        if is_restricted(comment) and not restricted:
            left_out += 1
            continue
        pieces, unknown = rich(comment.get("body"))
        if not pieces:
            continue
        if not told:
            built.block("heading", "Comments", level=2)
        told += 1
        anchor = f"comment-{comment.get('id', '')}"
        at = moment(comment.get("created"))
        said = [shown(comment.get("author")) or "Unknown", f"{at:%Y-%m-%d}" if at else ""]
        built.block("heading", ", ".join(filter(None, said)), level=3, anchor=anchor)
        write(built, pieces, under=3, anchor=anchor)
        _warn(built, unknown)
    built.meta("comments", told)
    if left_out:
        built.meta("restrictedCommentsLeftOut", left_out)


def _warn(built: StructureBuilder, unknown: Iterable[str]) -> None:
    for name in sorted(unknown):
        built.warn("unknown_node", f'A part of type "{name}" is not known; its text was kept.')


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
