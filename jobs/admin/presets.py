"""Presets: named options of a kind, for everybody who submits jobs."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from jobs import access, console, services
from jobs.admin.base import Empty
from jobs.admin.option_field import OptionsField, defaults_of, is_kind, kind_groups, kind_of
from jobs.models import Preset
from jobs.options import masked_wire
from jobs.services.presets import DESCRIPTION_MAX, NAME_MAX, checked_preset


class PresetForm(forms.ModelForm):  # type: ignore[type-arg]
    """Fields as people write them; the verb judges them, here and when saving."""

    kind = forms.CharField(widget=UnfoldAdminTextInputWidget(attrs={"readonly": True}))
    name = forms.CharField(
        max_length=NAME_MAX,
        widget=UnfoldAdminTextInputWidget,
        help_text="What submissions call it: “preset”: “nightly”.",
    )
    description = forms.CharField(
        required=False, max_length=DESCRIPTION_MAX, widget=UnfoldAdminTextInputWidget
    )
    options = forms.Field(required=False)

    class Meta:
        model = Preset
        fields = ("kind", "name", "description", "options")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        adding = self.instance._state.adding
        self.fields["kind"].disabled = not adding
        kind = kind_of(self)
        if kind is None:
            del self.fields["options"]
            return
        stored = {} if adding else masked_wire(self.instance.options)
        self.fields["options"] = OptionsField(
            kind,
            below=defaults_of(kind),
            stored=stored,
            help_text="Only what differs from the kind's own is set by the preset; the rest comes "
            "from the submission. Its secrets go only with its addresses and texts: whoever is "
            "neither its maker nor an admin cannot change these and still use them.",
        )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return values
        try:
            checked_preset(by=self.by, **self.verb_arguments())
        except services.InvalidFields as error:
            for name, said in error.errors.items():
                self.add_error(name if name in self.fields else None, said)
        except services.InvalidOptions as error:
            self.add_error(
                "options", cast(OptionsField, self.fields["options"]).refuse(error.errors)
            )
        return values

    def _post_clean(self) -> None:
        """The verb makes the row; a model form would write unchecked values into it."""

    def verb_arguments(self) -> dict[str, Any]:
        stored = Preset.objects.get(pk=self.instance.pk) if self.instance.pk else None
        values = {name: self.cleaned_data.get(name) for name in PresetForm.Meta.fields}
        return {**values, "options": values["options"] or {}, "preset": stored}

    by: User | None = None


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
    fieldsets = (
        (None, {"fields": ("kind", "name", "description")}),
        ("Options", {"fields": ("options",)}),
    )

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The kind first: what there is to fill in depends on it."""
        name = str(request.POST.get("kind") or request.GET.get("kind") or "")
        if self.has_add_permission(request) and not is_kind(name):
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": "New preset: of which kind?",
                "groups": kind_groups(lambda kind: f"{request.path}?kind={kind.name}"),
            }
            return TemplateResponse(request, "admin/jobs/job/pick.html", context)
        return super().add_view(request, form_url, extra_context)

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

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        base = super().get_form(request, obj, change, **kwargs)
        return type(base.__name__, (base,), {"by": cast(User, request.user)})

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
