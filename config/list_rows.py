"""The rows of the console's lists, in place of the theme's tag of the same name.

The theme draws all column headings anew for each row, and its checkbox from a template: two thirds
of the time of a list of fifty jobs. Here, what is the same in every row is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote as urlquote

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.templatetags.base import InclusionAdminNode
from django.contrib.admin.utils import lookup_field
from django.contrib.admin.utils import quote as admin_quote
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db.models import ForeignKey, Model
from django.template import Library
from django.template.base import Parser, Token
from django.utils.html import conditional_escape, escape
from django.utils.safestring import SafeString
from unfold.admin import checkbox
from unfold.templatetags import unfold_list as theme
from unfold.utils import display_for_field, display_for_value

register = Library()
register.tags.update(theme.register.tags)
register.filters.update(theme.register.filters)

# Where the id of a row goes: as it is, and as a part of an address.
_ID, _ID_IN_URL = "--the-id--", "--the-id-in-its-address--"
_CELL = " ".join(theme.ROW_CLASSES)
_CHECKBOX_CELL = " ".join(theme.CHECKBOX_CLASSES)
_LINK = " ".join(theme.LINK_CLASSES)


@dataclass(frozen=True)
class _Column:
    """What every cell of a column begins and ends with."""

    field: str
    begins: str
    ends: str
    # The method of the list's own that gives the value, where it is neither a field nor the row's.
    method: Callable[[Model], Any] | None


class _Row(list[SafeString]):
    """All cells of one row in one piece; the theme's template puts out whatever pieces there are."""

    form = None

    def __init__(self, instance: Model, cells: Iterator[str]) -> None:
        # Each cell's ends are made of names of ours and escaped headings, and its middle is escaped.
        super().__init__([SafeString("".join(cells))])
        self.instance = instance


def result_list(context: dict[str, Any], cl: Any) -> dict[str, Any]:
    """What the theme's template of a list reads; columns edited in place are left to the theme."""
    if getattr(cl, "formset", None):
        made: dict[str, Any] = theme.result_list(context, cl)
        return made
    # The template asks for it twice a row. Where Django's templates find no attribute they list
    # them all: that was a third of the time of a list.
    vars(cl.model_admin).setdefault("list_sections", [])
    headers = list(theme.result_headers(cl))
    box = checkbox.render(ACTION_CHECKBOX_NAME, _ID)
    columns = list(_columns(cl, headers, box))
    return {
        "cl": cl,
        "result_hidden_fields": [],
        "result_headers": headers,
        "num_sorted_fields": sum(bool(h["sortable"] and h["sorted"]) for h in headers),
        "results": [_Row(each, _cells(cl, columns, each)) for each in cl.result_list],
        "actions_row": context.get("actions_row"),
        "has_add_permission": cl.model_admin.has_add_permission(context["request"]),
    }


def _columns(cl: Any, headers: list[dict[str, Any]], box: str) -> Iterator[_Column]:
    links = cl.list_display_links
    had_link = False
    for place, (field, header) in enumerate(zip(cl.list_display, headers, strict=True)):
        name = field if isinstance(field, str) else getattr(field, "__name__", f"c{place}")
        if name == "action_checkbox":
            begins = f'<td class="{_CHECKBOX_CELL}" data-label="Select record">{box}'
            yield _Column(field=field, begins=begins, ends="</td>", method=None)
            continue
        linked = links is not None and (name in links if links else not had_link and place > 0)
        tag = "th" if linked and not had_link else "td"
        had_link = had_link or linked
        label = conditional_escape(header["text"])
        begins, ends = f'<{tag} class="field-{name} {_CELL}" data-label="{label}">', f"</{tag}>"
        if linked:
            begins, ends = f"{begins}{_link(cl)}", f"</a>{ends}"
        yield _Column(field=field, begins=begins, ends=ends, method=_method(cl, field))


def _link(cl: Any) -> str:
    """The beginning of a row's link, with a place for its id: looking up an address takes long."""
    stand_in = SimpleNamespace(**{cl.pk_attname: _ID_IN_URL})
    kept = {"preserved_filters": cl.preserved_filters, "opts": cl.opts}
    url = add_preserved_filters(kept, cl.url_for_result(stand_in))
    opener = f' data-popup-opener="{_ID}"' if cl.is_popup else ""
    return f'<a href="{escape(url)}" class="{_LINK}"{opener}>'


def _method(cl: Any, name: Any) -> Callable[[Model], Any] | None:
    """What Django's `lookup_field` would find anew for each row."""
    if not isinstance(name, str) or name == "__str__" or not hasattr(cl.model_admin, name):
        return None
    try:
        cl.opts.get_field(name)
    except FieldDoesNotExist:
        method: Callable[[Model], Any] = getattr(cl.model_admin, name)
        return method
    return None


def _cells(cl: Any, columns: list[_Column], row: Model) -> Iterator[str]:
    pk = escape(str(row.pk))
    in_url = escape(urlquote(admin_quote(str(row.pk))))
    for column in columns:
        shown = "" if column.field == "action_checkbox" else _shown(cl, column, row)
        begins = column.begins.replace(_ID_IN_URL, in_url).replace(_ID, pk)
        yield f"{begins}{conditional_escape(shown)}{column.ends}"


def _shown(cl: Any, column: _Column, row: Model) -> Any:
    empty = cl.model_admin.get_empty_value_display()
    field: Any
    attribute: Any
    try:
        if column.method is not None:
            field, attribute, value = None, column.method, column.method(row)
        else:
            field, attribute, value = lookup_field(column.field, row, cl.model_admin)
    except ObjectDoesNotExist:
        return empty
    if value and isinstance(value, SafeString):
        return value
    empty = getattr(attribute, "empty_value_display", empty)
    if field is None or field.auto_created:
        boolean = getattr(attribute, "boolean", False)
        return str(display_for_value(value, empty, boolean))
    if isinstance(field, ForeignKey):
        related = getattr(row, field.name)
        return str(empty if related is None else related)
    return str(display_for_field(value, field, empty))


@register.tag(name="unfold_result_list")
def result_list_tag(parser: Parser, token: Token) -> InclusionAdminNode:
    node: Any = InclusionAdminNode  # its stubs are of the next Django
    made: InclusionAdminNode = node(
        parser, token, func=result_list, template_name="change_list_results.html"
    )
    return made
