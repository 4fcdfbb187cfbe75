"""What operators set for a kind over its own defaults: limits, rates, retries, priority."""

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
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from jobs import access, console, policies, registry, services
from jobs.admin.base import Empty, ReadOnly
from jobs.models import IdempotencyKey, KindPolicy, Start
from jobs.policies import Policy
from jobs.rules import ALL_KINDS
from jobs.services.policing import BOUNDS, FIELDS, FRACTIONS, checked_policy

LABELS = {
    "priority": "Priority",
    "queue_timeout_s": "Longest wait (s)",
    "concurrency": "At once",
    "user_concurrency": "At once, each user",
    "rate_starts": "Starts",
    "rate_window_s": "… within (s)",
    "user_rate_starts": "Starts, each user",
    "user_rate_window_s": "… within (s)",
    "max_attempts": "Attempts",
    "backoff_s": "First wait (s)",
    "backoff_cap_s": "Longest wait between attempts (s)",
    "backoff_jitter": "Spread",
    "retry_on": "Worth another attempt",
}
HELP = {
    "priority": "Of jobs submitted from now on that say none. Higher runs earlier.",
    "queue_timeout_s": "A job that could have started longer ago fails with queue_timed_out.",
    "concurrency": "How many run at the same time in the whole installation; 0 stands them still.",
    "user_concurrency": "How many of one user run at the same time.",
    "rate_starts": "10 within 60 s: at most ten attempts start in any minute.",
    "user_rate_starts": "The same for each user's jobs.",
    "max_attempts": "Of jobs submitted from now on. A kind that can not be repeated runs once.",
    "backoff_s": "Doubled after each further attempt.",
    "backoff_jitter": "0.25: each wait is up to a quarter shorter or longer. 0 to 1.",
    "retry_on": "Reason codes with commas: error, crashed, worker_lost, timed_out, storage_full, or "
    "a kind's own. Empty: what the attempt itself says.",
}


def _input(name: str) -> forms.Field:
    shared: dict[str, Any] = {
        "label": LABELS[name],
        "help_text": HELP.get(name, ""),
        "required": False,
    }
    if name == "retry_on":
        return forms.CharField(widget=UnfoldAdminTextInputWidget, **shared)
    least, most = BOUNDS[name]
    if name in FRACTIONS:
        widget = UnfoldAdminDecimalFieldWidget(attrs={"step": "any"})
        return forms.FloatField(widget=widget, min_value=least, max_value=most, **shared)
    return forms.IntegerField(
        widget=UnfoldAdminIntegerFieldWidget, min_value=int(least), max_value=int(most), **shared
    )


def _kinds() -> list[tuple[str, str]]:
    kinds = [(kind.name, f"{kind.name}: {kind.label}") for kind in registry.all_kinds()]
    # Nothing is chosen beforehand: a limit of all kinds together is no slip to make.
    every = (ALL_KINDS, "* all kinds together (limits and rates only)")
    return [("", "Choose what it is for…"), every, *kinds]


class KindPolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    """An empty field leaves the kind's own; the verb judges the rest, here and when saving."""

    kind = forms.ChoiceField(choices=_kinds, widget=UnfoldAdminSelectWidget)

    class Meta:
        model = KindPolicy
        fields = ("kind", *FIELDS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = _own(self.instance.kind)
        for name in FIELDS:
            self.fields[name] = _input(name)
            kept = "" if own is None else _own_value(own, name)
            if kept:
                self.fields[name].widget.attrs["placeholder"] = f"{kept} (the kind's own)"
        if self.instance.pk:
            self.fields["kind"].disabled = True
            self.initial["retry_on"] = ", ".join(self.instance.retry_on or ())

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return values
        there = KindPolicy.objects.filter(kind=values["kind"]).exclude(pk=self.instance.pk)
        if there.exists():
            self.add_error("kind", "This kind has a policy already; change that one.")
            return values
        try:
            checked_policy(kind=values["kind"], values=self.verb_values())
        except services.InvalidFields as error:
            for name, said in error.errors.items():
                self.add_error(name if name in self.fields else None, said)
        return values

    def _post_clean(self) -> None:
        """The verb makes the row; a model form would write unchecked values into it."""

    def verb_values(self) -> dict[str, Any]:
        values = {name: self.cleaned_data.get(name) for name in FIELDS}
        codes = [code.strip() for code in (values["retry_on"] or "").split(",") if code.strip()]
        return {**values, "retry_on": codes or None}


@admin.register(KindPolicy)
class KindPolicyAdmin(ModelAdmin):
    """Admins change these; everybody sees what holds."""

    empty = Empty(
        icon="rule_settings",
        title="Every kind runs by its own defaults",
        text="A policy sets how many jobs of a kind run at once, how many start in a while, how "
        "often a failed one is tried again, and how long one may wait. It holds from its saving on.",
        button="New policy",
    )

    form = KindPolicyForm
    list_display = ("kind_shown", "limits", "rates", "retries", "rest", "updated")
    list_select_related = ("updated_by",)
    paginator = console.CappedPaginator
    show_full_result_count = False
    search_fields = ("kind",)
    show_facets = admin.ShowFacets.NEVER
    ordering = ("kind",)
    fieldsets = (
        (None, {"fields": ("kind",)}),
        ("Limits", {"fields": (("concurrency", "user_concurrency"),)}),
        (
            "Rates",
            {
                "fields": (
                    ("rate_starts", "rate_window_s"),
                    ("user_rate_starts", "user_rate_window_s"),
                )
            },
        ),
        (
            "Retries",
            {
                "fields": (
                    ("max_attempts", "backoff_jitter"),
                    ("backoff_s", "backoff_cap_s"),
                    "retry_on",
                )
            },
        ),
        ("Queue", {"fields": (("priority", "queue_timeout_s"),)}),
    )

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

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        saved = services.set_policy(
            kind=form.cleaned_data["kind"], values=form.verb_values(), by=cast(User, request.user)
        )
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: KindPolicy) -> None:
        services.clear_policy(policy=obj, by=cast(User, request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[KindPolicy]) -> None:
        for policy in queryset:
            services.clear_policy(policy=policy, by=cast(User, request.user))

    @admin.display(description="Kind")
    def kind_shown(self, row: KindPolicy) -> SafeString:
        return format_html('<code class="td-kind">{}</code>', str(row))

    @admin.display(description="At once")
    def limits(self, row: KindPolicy) -> str:
        return _joined(row.concurrency, (row.user_concurrency, "a user"))

    @admin.display(description="Rate")
    def rates(self, row: KindPolicy) -> str:
        rate = f"{row.rate_starts} in {row.rate_window_s} s" if row.rate_starts else None
        user = f"{row.user_rate_starts} in {row.user_rate_window_s} s"
        return _joined(rate, (user if row.user_rate_starts else None, "a user"))

    @admin.display(description="Retries")
    def retries(self, row: KindPolicy) -> str:
        said = [f"{row.max_attempts} attempts"] if row.max_attempts else []
        if row.backoff_s is not None:
            said.append(f"after {row.backoff_s:g} s")
        if row.retry_on is not None:
            said.append(f"on {', '.join(row.retry_on)}")
        return ", ".join(said) or "–"

    @admin.display(description="Queue")
    def rest(self, row: KindPolicy) -> str:
        said = [] if row.priority is None else [f"priority {row.priority}"]
        if row.queue_timeout_s:
            said.append(f"waits {console.spell(row.queue_timeout_s)} at most")
        return ", ".join(said) or "–"

    @admin.display(description="Changed")
    def updated(self, row: KindPolicy) -> SafeString:
        who = f" by {row.updated_by.get_username()}" if row.updated_by else ""
        return format_html("{}{}", console.when(row.updated_at), who)


def _joined(of_all: Any, of_user: tuple[Any, str]) -> str:
    said = [] if of_all is None else [str(of_all)]
    if of_user[0] is not None:
        said.append(f"{of_user[0]} {of_user[1]}")
    return ", ".join(said) or "–"


def _own(kind: str) -> Policy | None:
    try:
        return policies.own(registry.get(kind))
    except registry.UnknownKind:
        return None  # all kinds together, or one that is not known yet


def _own_value(own: Policy, name: str) -> str:
    for rate in ("rate", "user_rate"):
        if name.startswith(f"{rate}_"):
            kept = getattr(own, rate)
            return "" if kept is None else str(getattr(kept, name.removeprefix(f"{rate}_")))
    value = getattr(own, name)
    if value is None:
        return ""
    return ", ".join(sorted(value)) if isinstance(value, frozenset) else f"{value:g}"


@admin.register(Start)
class StartAdmin(ReadOnly):
    """What rates are counted by; for whoever wonders why a job waits."""

    empty = Empty(
        icon="speed",
        title="No starts are counted",
        text="Only kinds whose policy limits their rate are counted, for as long as it looks back.",
        button="Policies",
        link="admin:jobs_kindpolicy_changelist",
    )

    list_display = ("at", "kind", "owner")
    list_display_links = None
    list_select_related = ("owner",)
    list_filter = ("kind",)
    paginator = console.CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.is_admin(request.user)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnly):
    """Which submissions would find their job instead of making one."""

    list_display = ("created_at", "owner", "key", "job")
    list_display_links = None
    list_select_related = ("owner", "job")
    search_fields = ("key",)
    paginator = console.CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.is_admin(request.user)
