"""The rows of the console's lists, in place of the theme's tag of the same name.

The theme draws all column headings anew for each row, and its checkbox from a template: two thirds
of the time of a list of fifty jobs. Here, what is the same in every row is made once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.templatetags.base import InclusionAdminNode
from django.contrib.admin.utils import lookup_field
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import ForeignKey, Model
from django.template import Library
from django.template.base import Parser, Token
from django.utils.html import conditional_escape, escape, format_html
from django.utils.safestring import SafeString, mark_safe
from unfold.admin import checkbox
from unfold.templatetags import unfold_list as theme
from unfold.utils import display_for_field, display_for_value

register = Library()
register.tags.update(theme.register.tags)
register.filters.update(theme.register.filters)

_PLACE = "--the-id--"
_CELL = " ".join(theme.ROW_CLASSES)
_CHECKBOX_CELL = " ".join(theme.CHECKBOX_CLASSES)
_LINK = " ".join(theme.LINK_CLASSES)


@dataclass(frozen=True)
class _Column:
    """What every cell of a column begins and ends with."""

    field: str
    begins: str
    ends: str
    linked: bool


class _Row(list[SafeString]):
    """The cells of one row, as the theme's template reads them."""

    form = None

    def __init__(self, instance: Model, cells: Iterator[SafeString]) -> None:
        super().__init__(cells)
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
    columns = list(_columns(cl, headers))
    box = checkbox.render(ACTION_CHECKBOX_NAME, _PLACE)
    return {
        "cl": cl,
        "result_hidden_fields": [],
        "result_headers": headers,
        "num_sorted_fields": sum(bool(h["sortable"] and h["sorted"]) for h in headers),
        "results": [_Row(each, _cells(cl, columns, each, box)) for each in cl.result_list],
        "actions_row": context.get("actions_row"),
        "has_add_permission": cl.model_admin.has_add_permission(context["request"]),
    }


def _columns(cl: Any, headers: list[dict[str, Any]]) -> Iterator[_Column]:
    links = cl.list_display_links
    had_link = False
    for place, (field, header) in enumerate(zip(cl.list_display, headers, strict=True)):
        name = field if isinstance(field, str) else getattr(field, "__name__", f"c{place}")
        linked = links is not None and (name in links if links else not had_link and place > 0)
        tag = "th" if linked and not had_link else "td"
        had_link = had_link or linked
        classes = _CHECKBOX_CELL if name == "action_checkbox" else f"field-{name} {_CELL}"
        label = "Select record" if name == "action_checkbox" else header["text"]
        yield _Column(
            field=field,
            begins=f'<{tag} class="{classes}" data-label="{conditional_escape(label)}">',
            ends=f"</{tag}>",
            linked=linked,
        )


def _cells(cl: Any, columns: list[_Column], row: Model, box: str) -> Iterator[SafeString]:
    for column in columns:
        if column.field == "action_checkbox":
            # A text that was changed is not taken for safe any more; this one is.
            shown: str = mark_safe(box.replace(_PLACE, escape(str(row.pk))))
        else:
            shown = _shown(cl, column.field, row)
        if column.linked:
            url = add_preserved_filters(
                {"preserved_filters": cl.preserved_filters, "opts": cl.opts},
                cl.url_for_result(row),
            )
            opener = format_html(' data-popup-opener="{}"', row.pk) if cl.is_popup else ""
            shown = format_html('<a href="{}" class="{}"{}>{}</a>', url, _LINK, opener, shown)
        # Both ends are made of names of ours and escaped headings.
        yield mark_safe(f"{column.begins}{conditional_escape(shown)}{column.ends}")


def _shown(cl: Any, name: str, row: Model) -> str:
    empty = cl.model_admin.get_empty_value_display()
    try:
        field, attribute, value = lookup_field(name, row, cl.model_admin)
    except ObjectDoesNotExist:
        return str(empty)
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
