"""Retention: how long ended jobs stay, by kind and status."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget

from jobs import access, console, registry, retention
from jobs.admin.base import Empty
from jobs.models import RetentionRule
from jobs.services.refusals import InvalidFields

FIELD_OF = {"keepDays": "keep_days", "keepLast": "keep_last"}


def _kinds() -> list[tuple[str, str]]:
    return [("", "Every kind"), *((kind.name, kind.name) for kind in registry.all_kinds())]


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]
    kind = forms.ChoiceField(choices=_kinds, required=False, widget=UnfoldAdminSelectWidget)

    class Meta:
        model = RetentionRule
        fields = ("kind", "status", "keep_days", "keep_last")
        help_texts = {
            "status": "How they ended; any: whatever it was.",
            "keep_days": "Days after their end; empty: for ever; 0: until the next sweep.",
            "keep_last": "The newest that many of a kind and status stay, however old.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        here = self.instance.kind
        choices = _kinds()
        if here and here not in dict(choices):
            choices.append((here, f"{here} (not known any more)"))
        self.fields["kind"].choices = choices  # type: ignore[attr-defined]

    def _post_clean(self) -> None:
        """The verb builds the row; a model form would write unchecked values into it."""


@admin.register(RetentionRule)
class RetentionRuleAdmin(ModelAdmin):
    empty = Empty(
        icon="auto_delete",
        title="Nothing is ever deleted by age",
        text="A rule says how long jobs stay after their end, and how many of the newest stay in "
        "any case. The schedule Sweep deletes what no rule keeps, once a day.",
        button="New rule",
    )
    form = RuleForm
    list_display = ("kind_shown", "status_shown", "days_shown", "keep_last", "updated_by")
    list_select_related = ("updated_by",)
    paginator = console.CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    ordering = ("kind", "status", "id")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.may_see(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.may_see(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access.is_admin(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.is_admin(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.is_admin(request.user)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        base = super().get_form(request, obj, change, **kwargs)
        by = cast(User, request.user)

        class Judged(base):  # type: ignore[misc,valid-type]
            def clean(self) -> dict[str, Any]:
                values: dict[str, Any] = super().clean() or self.cleaned_data
                if not self.errors:
                    try:
                        self.saved = retention.set_rule(by=by, rule=obj, **values)
                    except InvalidFields as error:
                        for name, said in error.errors.items():
                            self.add_error(FIELD_OF.get(name, name), said)
                return values

        return Judged

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        # The form's check was the verb itself.
        obj.__dict__.update(form.saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        retention.remove_rule(by=cast(User, request.user), rule=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[RetentionRule]) -> None:
        for rule in queryset:
            retention.remove_rule(by=cast(User, request.user), rule=rule)

    @admin.display(description="Kind")
    def kind_shown(self, rule: RetentionRule) -> str:
        return rule.kind or "every kind"

    @admin.display(description="Ended")
    def status_shown(self, rule: RetentionRule) -> str:
        return rule.status or "any way"

    @admin.display(description="Kept for")
    def days_shown(self, rule: RetentionRule) -> str:
        return "ever" if rule.keep_days is None else f"{rule.keep_days} days"
