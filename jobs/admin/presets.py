"""Presets: named options of a kind, for everybody who submits jobs."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from jobs import access, console, registry, services
from jobs.admin.base import Empty
from jobs.models import Preset
from jobs.option_schema import FormField, form_fields
from jobs.options import masked_wire
from jobs.services.presets import DESCRIPTION_MAX, NAME_MAX, checked_preset


class PresetForm(forms.ModelForm):  # type: ignore[type-arg]
    """Fields as people write them; the verb judges them, here and when saving."""

    kind = forms.ChoiceField(
        choices=lambda: [
            (kind.name, f"{kind.name}: {kind.label}") for kind in registry.all_kinds()
        ],
        widget=UnfoldAdminSelectWidget,
    )
    name = forms.CharField(
        max_length=NAME_MAX,
        widget=UnfoldAdminTextInputWidget,
        help_text="What submissions call it: “preset”: “nightly”.",
    )
    description = forms.CharField(
        required=False, max_length=DESCRIPTION_MAX, widget=UnfoldAdminTextInputWidget
    )
    options = forms.JSONField(
        required=False,
        initial=dict,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8, "spellcheck": "false"}),
        help_text='JSON, such as {"timeoutS": 60}: only the options that the preset sets; the rest '
        "comes from the submission or the kind. Secrets are shown as dots; leave the dots to keep "
        "them. Whoever may submit jobs can use a preset's secrets, and nobody can read them.",
    )

    class Meta:
        model = Preset
        fields = ("kind", "name", "description", "options")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["options"] = masked_wire(self.instance.options)
            self.fields["kind"].disabled = True

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return values
        try:
            checked_preset(**self.verb_arguments())
        except services.InvalidFields as error:
            for name, said in error.errors.items():
                self.add_error(name if name in self.fields else None, said)
        except services.InvalidOptions as error:
            for name, said in error.errors.items():
                self.add_error("options", f"{name}: {console_text(said)}")
        return values

    def _post_clean(self) -> None:
        """The verb makes the row; a model form would write unchecked values into it."""

    def verb_arguments(self) -> dict[str, Any]:
        stored = Preset.objects.get(pk=self.instance.pk) if self.instance.pk else None
        values = {name: self.cleaned_data[name] for name in PresetForm.Meta.fields}
        return {**values, "options": values["options"] or {}, "preset": stored}


def console_text(said: Any) -> str:
    """An error of nested options as one line."""
    if isinstance(said, dict):
        return "; ".join(f"{name}: {console_text(inner)}" for name, inner in said.items())
    if isinstance(said, list):
        return " ".join(console_text(inner) for inner in said)
    return str(said)


@admin.register(Preset)
class PresetAdmin(ModelAdmin):
    empty = Empty(
        icon="tune",
        title="No presets yet",
        text="A preset keeps options of a kind under a name, secrets among them: whoever starts a "
        "job, a schedule or an API call names it in place of typing them again.",
        button="New preset",
    )
    form = PresetForm
    list_display = ("name", "kind_shown", "description", "sets", "updated")
    list_filter = ("kind",)
    search_fields = ("name", "kind", "description")
    paginator = console.CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    ordering = ("kind", "name", "id")
    readonly_fields = ("known_options",)
    fieldsets = (
        (None, {"fields": ("kind", "name", "description", "options")}),
        ("What this kind takes", {"fields": ("known_options",)}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj else self.fieldsets[:1]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.may_see(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.may_see(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access.may_do(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.may_do(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.may_do(request.user)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        saved = services.save_preset(by=cast(User, request.user), **form.verb_arguments())
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: Preset) -> None:
        services.delete_preset(preset=obj, by=cast(User, request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Preset]) -> None:
        for preset in queryset:
            services.delete_preset(preset=preset, by=cast(User, request.user))

    @admin.display(description="Kind")
    def kind_shown(self, preset: Preset) -> SafeString:
        return format_html('<code class="td-kind">{}</code>', preset.kind)

    @admin.display(description="Sets")
    def sets(self, preset: Preset) -> str:
        return ", ".join(masked_wire(preset.options)) or "nothing"

    @admin.display(description="Changed")
    def updated(self, preset: Preset) -> SafeString:
        return console.when(preset.updated_at)

    @admin.display(description="Options")
    def known_options(self, preset: Preset) -> SafeString:
        try:
            declared = registry.get(preset.kind).options
        except registry.UnknownKind:
            return SafeString("This installation does not know this kind any more.")
        rows = [
            format_html("<li><code>{}</code> {}</li>", *_line(f)) for f in form_fields(declared)
        ]
        return format_html("<ul>{}</ul>", SafeString("".join(rows)))


def _line(option: FormField) -> tuple[str, str]:
    said = [option.type]
    if option.choices:
        shown = [str(value) for value, _ in option.choices]
        said.append(f"one of {', '.join(shown[:8])}{' …' if len(shown) > 8 else ''}")
    if option.minimum is not None or option.maximum is not None:
        said.append(f"{option.minimum} to {option.maximum}")
    if option.secret:
        said.append("secret")
    if option.help:
        said.append(option.help)
    return option.name, " · ".join(said)
