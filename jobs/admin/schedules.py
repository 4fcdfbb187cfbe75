"""Schedules: a form, their next times, what became of the last ones; pause, resume and run now."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from jobs import access, console, cron, registry, schedules
from jobs.admin.base import ReadOnly
from jobs.models import Schedule, ScheduleRun
from jobs.options import masked_wire
from jobs.registry import InvalidOptions
from jobs.services.refusals import ActionRefused, InvalidFields

FIELD_OF = {"timeZone": "time_zone", "missedMost": "missed_most"}


def _kinds() -> list[tuple[str, str]]:
    return [
        (kind.name, f"{kind.name}: {kind.label}")
        for kind in registry.all_kinds()
        if not kind.submit_by
    ]


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]
    """Fields as people write them; `jobs.schedules.save` judges them, here and when saving."""

    kind = forms.ChoiceField(choices=_kinds, widget=UnfoldAdminSelectWidget)
    preset = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Name of one of the kind's presets; its options are taken when a run is due.",
    )
    options = forms.JSONField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        help_text="JSON, such as {}. These win over the preset's. Secrets are shown as dots; leave "
        "the dots to keep them.",
    )
    tags = forms.CharField(
        required=False, widget=UnfoldAdminTextInputWidget, help_text="With commas between."
    )
    priority = forms.IntegerField(
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Higher runs earlier; empty: the kind's own.",
    )

    class Meta:
        model = Schedule
        fields = (
            *("name", "kind", "preset", "options", "cron", "time_zone", "overlap"),
            *("missed", "missed_most", "priority", "tags", "paused"),
        )
        labels = {"missed_most": "Make up for at most", "missed": "Missed times"}
        help_texts = {
            "cron": "Minute, hour, day of month, month, day of week: 30 6 * * MON-FRI is every "
            "working day at 6:30. Across changes of the clocks as Debian's cron has it.",
            "time_zone": "Such as UTC or Europe/Berlin.",
            "missed": "What becomes of times that passed while no worker ran.",
            "missed_most": "With “run each”: how many at most, the newest.",
            "overlap": "What happens when the last run has not ended.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        row = self.instance
        if row.pk and not row._state.adding:
            self.initial["options"] = masked_wire(row.options)
            self.initial["tags"] = ", ".join(row.tags)

    def clean_options(self) -> dict[str, Any]:
        given = self.cleaned_data["options"]
        if given is None or given == "":
            return {}
        if not isinstance(given, dict):
            raise forms.ValidationError("Must be a JSON object, such as {}.")
        return given

    def clean_tags(self) -> list[str]:
        return [tag.strip() for tag in self.cleaned_data["tags"].split(",") if tag.strip()]

    def _post_clean(self) -> None:
        """The service builds the row; a model form would write unchecked values into it."""

    def verb_arguments(self) -> dict[str, Any]:
        values = dict(self.cleaned_data)
        values["cron_expression"] = values.pop("cron")
        return values

    def refuse(self, errors: dict[str, Any], *, inside: str = "") -> None:
        for name, said in errors.items():
            field = inside or FIELD_OF.get(name, name)
            lines = said if isinstance(said, list) else [str(said)]
            text = [f"{name}: {line}" if inside else str(line) for line in lines]
            self.add_error(field if field in self.fields else None, text)


@admin.register(Schedule)
class ScheduleAdmin(ModelAdmin):
    form = ScheduleForm
    list_display = ("name", "kind_shown", "times", "state", "next_run", "last_run", "owner_shown")
    list_select_related = ("owner",)
    list_filter = ("paused",)
    search_fields = ("name", "kind")
    paginator = console.CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    ordering = ("name", "id")
    actions = ("run_now", "pause", "resume")
    readonly_fields = ("state", "next_five", "history")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        found = super().get_queryset(request).prefetch_related(schedules.with_last_run())
        if access.is_admin(request.user):
            return found
        return found.filter(owner_id=request.user.pk)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        form = [("What", {"fields": ("name", "kind", "preset", "options", "priority", "tags")})]
        form.append(
            (
                "When",
                {"fields": ("cron", "time_zone", "overlap", "missed", "missed_most", "paused")},
            )
        )
        now = [("Now", {"fields": ("state", "next_five", "history")})]
        return (now + form) if obj else form

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.may_see(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.may_see(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access.may_do(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        if not access.may_do(request.user):
            return False
        return obj is None or obj.owner_id == request.user.pk or access.is_admin(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        return self.has_change_permission(request, obj)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """A form whose check is the verb itself: what it refuses lands on the fields."""
        base = super().get_form(request, obj, change, **kwargs)
        by = cast(User, request.user)

        class Judged(base):  # type: ignore[misc,valid-type]
            def clean(self) -> dict[str, Any]:
                values: dict[str, Any] = super().clean() or self.cleaned_data
                if self.errors:
                    return values
                try:
                    schedules.save(by=by, schedule=obj, dry_run=True, **self.verb_arguments())
                except InvalidFields as error:
                    self.refuse(dict(error.errors))
                except InvalidOptions as error:
                    self.refuse(dict(error.errors), inside="options")
                return values

        return Judged

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        stored = Schedule.objects.get(pk=obj.pk) if change else None
        saved = schedules.save(
            by=cast(User, request.user), schedule=stored, **form.verb_arguments()
        )
        obj.__dict__.update(saved.__dict__)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Its history goes with it, though nobody may delete lines of that alone."""
        to_delete, counts, _needed, protected = super().get_deleted_objects(objs, request)
        return to_delete, counts, set(), protected

    def delete_model(self, request: HttpRequest, obj: Schedule) -> None:
        schedules.delete(schedule=obj, by=cast(User, request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for row in queryset:
            schedules.delete(schedule=row, by=cast(User, request.user))

    @admin.display(description="Kind")
    def kind_shown(self, row: Schedule) -> SafeString:
        return format_html('<code class="td-kind">{}</code>', row.kind)

    @admin.display(description="Times")
    def times(self, row: Schedule) -> SafeString:
        words = f"{cron.worded(row.cron)}, {row.time_zone}"
        return format_html('<span title="{}">{}</span>', row.cron, words)

    @admin.display(description="State")
    def state(self, row: Schedule) -> str:
        problem = schedules.problem_of(row)
        if row.paused:
            why = row.pause_reason or "by hand"
            return f"Paused: {why}" if not problem or problem == why else f"Paused: {problem}"
        return f"Can not run: {problem}" if problem else "Active"

    @admin.display(description="Next")
    def next_run(self, row: Schedule) -> str:
        upcoming = schedules.upcoming(row, count=1)
        return upcoming[0].replace("T", " ") if upcoming else "–"

    @admin.display(description="Last")
    def last_run(self, row: Schedule) -> SafeString:
        run = schedules.last_run(row)
        return _run(run) if run else SafeString("never")

    @admin.display(description="Owner")
    def owner_shown(self, row: Schedule) -> str:
        return row.owner.get_username() if row.owner else "nobody"

    @admin.display(description="Next five")
    def next_five(self, row: Schedule) -> SafeString:
        times = schedules.upcoming(row)
        if not times:
            return SafeString("None while it is paused.")
        lines = ((text.replace("T", " "),) for text in times)
        return format_html("<ol>{}</ol>", format_html_join("", "<li>{}</li>", lines))

    @admin.display(description="Last runs")
    def history(self, row: Schedule) -> SafeString:
        runs = list(row.runs.select_related("job", "by").order_by("-id")[:20])
        if not runs:
            return SafeString("None yet. Run it now from the list, or wait for its time.")
        return format_html(
            "<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((_run(run),) for run in runs))
        )

    @admin.action(description="Run now", permissions=["change"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for row in queryset.select_related("owner"):
            self._try(
                request,
                row,
                "run",
                lambda row: _run(schedules.run_now(schedule=row, by=_by(request))),
            )

    @admin.action(description="Pause", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for row in queryset:
            self._try(
                request,
                row,
                "paused",
                lambda row: schedules.pause(schedule=row, by=_by(request)) and "",
            )

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for row in queryset.select_related("owner"):
            self._try(
                request,
                row,
                "resumed",
                lambda row: schedules.resume(schedule=row, by=_by(request)) and "",
            )

    def _try(self, request: HttpRequest, row: Schedule, word: str, verb: Any) -> None:
        try:
            said = verb(row)
        except (ActionRefused, PermissionDenied) as error:
            self.message_user(request, f"{row}: {error}", messages.ERROR)
        else:
            self.message_user(request, format_html("{}: {} {}", row, word, said), messages.SUCCESS)


def _by(request: HttpRequest) -> User:
    return cast(User, request.user)


def _run(run: ScheduleRun) -> SafeString:
    """One line: when, what became of it, and the way to its job."""
    said: str | SafeString = run.outcome if not run.note else f"{run.outcome}: {run.note}"
    if run.job_id:
        url = reverse("admin:jobs_job_change", args=[run.job_id])
        status = run.job.status if run.job else ""
        said = format_html('<a class="td-link" href="{}">job {}</a>', url, status)
    hand = f" by {run.by.get_username()}" if run.by else ""
    trigger = f" ({run.get_trigger_display()}{hand})" if run.trigger != "time" else ""
    return format_html("{} {}{}", console.when(run.due_at), said, trigger)


@admin.register(ScheduleRun)
class ScheduleRunAdmin(ReadOnly):
    """The history of all schedules."""

    list_display = ("due_at", "schedule", "trigger", "outcome", "note", "job")
    list_display_links = None
    list_filter = ("outcome", "trigger")
    list_select_related = ("schedule", "job", "by")
    paginator = console.CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ScheduleRun]:
        found = super().get_queryset(request)
        if access.is_admin(request.user):
            return found
        return found.filter(schedule__owner_id=request.user.pk)
