"""The typed inputs of a kind's options inside a form of the admin: presets and schedules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from rest_framework.fields import empty

from jobs import registry
from jobs.admin.option_form import OptionForm
from jobs.casing import camel
from jobs.options import default_of
from jobs.registry import Kind
from jobs.secrets import MASK

_EMPTY: tuple[Any, ...] = (None, "", [], {})


def defaults_of(kind: Kind) -> dict[str, Any]:
    """The defaults of a kind's options, as on the wire."""
    found = {camel(name): default_of(field) for name, field in kind.options().fields.items()}
    return {name: value for name, value in found.items() if value is not empty}


class OptionsWidget(forms.Widget):
    """Draws an `OptionForm`, and reads from it only what is set.

    `below` is what holds where nothing is set (defaults, a preset), `stored` what was set before;
    both as on the wire, with secrets as dots.
    """

    needs_multipart_form = False

    def __init__(self, kind: Kind, *, below: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
        super().__init__()
        self.below, self.stored = below, stored
        self.form = OptionForm(kind.options, base={**below, **stored})

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        context = {"form": self.form, "form_keeps": True, "partial": True}
        drawn = render_to_string("admin/jobs/job/options.html", context)
        return mark_safe(f'<div class="td-options-field">{drawn}</div>')

    def id_for_label(self, id_: str) -> str:
        return ""  # each input has a label of its own

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return False

    def value_from_datadict(self, data: Any, files: Any, name: str) -> dict[str, Any]:
        read = self.form.read(data, keep=True)
        for each in self.form.inputs:
            field = each.field
            kept = field.secret and field.name in self.stored and each.clear_name not in data
            if kept and field.name not in read:
                read[field.name] = MASK
        return {name: value for name, value in read.items() if self._is_set(name, value)}

    def _is_set(self, name: str, value: Any) -> bool:
        below = self.below.get(name)
        if value in _EMPTY and below in _EMPTY:
            return False
        return name in self.stored or value != below


class OptionsField(forms.Field):
    """Its value: the options that are set, as on the wire."""

    widget: OptionsWidget

    def __init__(
        self, kind: Kind, *, below: Mapping[str, Any], stored: Mapping[str, Any], help_text: str
    ) -> None:
        super().__init__(
            required=False,
            label="Set here",
            help_text=help_text,
            widget=OptionsWidget(kind, below=below, stored=stored),
        )

    def refuse(self, errors: Mapping[str, Any]) -> str:
        """Show what is wrong at its inputs; a sentence for the form as a whole."""
        self.widget.form.refuse(errors)
        return "Some of these do not fit; each says why."


def kind_of(form: forms.ModelForm[Any]) -> Kind | None:
    """The kind that a form is of: the row's, else the one that was chosen; None for an unknown one."""
    row = form.instance
    stored = "" if row._state.adding else row.kind
    name = stored or form.data.get("kind") or form.initial.get("kind") or ""
    try:
        return registry.get(str(name))
    except registry.UnknownKind:
        return None


def kind_groups(url_of: Callable[[Kind], str | None]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The kinds by the part that brings them, for the page that lets one choose.

    `url_of`: the way to the form of a kind; empty: there is none; None: it is not listed.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for kind in registry.all_kinds():
        url = url_of(kind)
        if url is not None:
            head = kind.name.partition(".")[0].replace("_", " ").capitalize()
            listed = {"kind": kind, "about": about(kind), "url": url, "closed": not url}
            groups.setdefault(head, []).append(listed)
    return list(groups.items())


def is_kind(name: str) -> bool:
    return any(kind.name == name for kind in registry.all_kinds())


def about(kind: Kind) -> str:
    """What it does, in a sentence; nothing where its label says just that."""
    words = (kind.run.__doc__ or "").strip().partition("\n")[0]
    return "" if words.rstrip(".") == kind.label else words
