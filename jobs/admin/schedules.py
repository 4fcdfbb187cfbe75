"""Schedules: a form, their next times, what became of the last ones; pause, resume and run now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, Value
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.views import ChangeList
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from jobs import access, console, cron, schedules
from jobs.admin.base import Empty
from jobs.admin.option_field import OptionsField, defaults_of, is_kind, kind_groups, kind_of
from jobs.admin.schedule_page import VERBS, now_card, run_line, standing, verbs_of
from jobs.models import Preset, Schedule
from jobs.options import masked_wire
from jobs.registry import InvalidOptions
from jobs.services.refusals import ActionRefused, InvalidFields

FIELD_OF = {"timeZone": "time_zone", "missedMost": "missed_most"}


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]
    """Fields as people write them; `jobs.schedules.save` judges them, here and when saving."""

    kind = forms.CharField(widget=UnfoldAdminTextInputWidget(attrs={"readonly": True}))
    preset = forms.ChoiceField(
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Its options are taken when a run is due, where none is set below. Save once to "
        "see what another preset has.",
    )
    options = forms.Field(required=False)
    filled = forms.CharField(required=False, widget=forms.HiddenInput)
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
            *("kind", "name", "preset", "options", "cron", "time_zone", "overlap"),
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
        adding = row._state.adding
        self.fields["kind"].disabled = not adding
        if not adding:
            self.initial["tags"] = ", ".join(row.tags)
        kind = kind_of(self)
        if kind is None:
            del self.fields["options"]
            return
        presets = {each.name: each for each in Preset.objects.filter(kind=kind.name)}
        now = "" if adding else row.preset
        names = [now] if now and now not in presets else []
        self.fields["preset"].choices = [  # type: ignore[attr-defined]
            ("", "None"),
            *((name, f"{name} (there is none of this name any more)") for name in names),
            *((name, name) for name in presets),
        ]
        # The preset whose options the inputs show: what was not touched stays its own.
        shown = presets.get(str(self.data.get("filled", now) or ""))
        self.initial["filled"] = shown.name if shown else ""
        self.fields["options"] = OptionsField(
            kind,
            below={**defaults_of(kind), **(masked_wire(shown.options) if shown else {})},
            stored={} if adding else masked_wire(row.options),
            help_text="What differs from the preset's and the kind's own is set here, and wins.",
        )

    def clean_tags(self) -> list[str]:
        return [tag.strip() for tag in self.cleaned_data["tags"].split(",") if tag.strip()]

    def _post_clean(self) -> None:
        """The service builds the row; a model form would write unchecked values into it."""

    def verb_arguments(self) -> dict[str, Any]:
        values = dict(self.cleaned_data)
        values["cron_expression"] = values.pop("cron")
        values.pop("filled", None)
        values["options"] = values.get("options") or {}
        return values

    def refuse(self, errors: dict[str, Any]) -> None:
        for name, said in errors.items():
            field = FIELD_OF.get(name, name)
            lines = said if isinstance(said, list) else [str(said)]
            self.add_error(field if field in self.fields else None, [str(line) for line in lines])

    def refuse_options(self, errors: Mapping[str, Any]) -> None:
        self.add_error("options", cast(OptionsField, self.fields["options"]).refuse(errors))


class ScheduleChangeList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        schedules.read_presets(self.result_list)


@admin.register(Schedule)
class ScheduleAdmin(ModelAdmin):
    form = ScheduleForm
    change_form_outer_before_template = "admin/jobs/schedule/now.html"  # type: ignore[assignment]
    empty = Empty(
        icon="schedule",
        title="No schedules yet",
        text="A schedule submits a job at its times: every night, every quarter of an hour, on "
        "working days at half past six. It says what became of each time, also of those missed.",
        button="New schedule",
    )
    list_display = (
        "name",
        "kind_shown",
        "times",
        "state",
        "next_run",
        "last_run",
        "owner_shown",
        "verbs",
    )
    list_select_related = ("owner",)
    list_filter = ("paused",)
    search_fields = ("name", "kind")
    paginator = console.CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    ordering = ("name", "id")
    actions = ("run_now", "pause", "resume")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        rows = cast("QuerySet[Schedule]", super().get_queryset(request))
        annotated = rows.annotate(may_change=Value(access.may_do(request.user)))
        found = schedules.listed(cast("QuerySet[Schedule]", annotated))
        if access.is_admin(request.user):
            return found
        return found.filter(owner_id=request.user.pk)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # type: ignore[override]  # the theme annotates an instance
        return ScheduleChangeList

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        times = ("cron", "time_zone", "overlap", "missed", "missed_most", "paused")
        return [
            ("What", {"fields": ("kind", "name", "preset", "priority", "tags", "filled")}),
            ("When", {"fields": times}),
            ("Options", {"fields": ("options",)}),
        ]

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
                    self.refuse_options(error.errors)
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
    def state(self, row: Schedule) -> SafeString:
        level, word, why = standing(row)
        chip = format_html('<span class="td-level" data-level="{}">{}</span>', level, word)
        return format_html('{} <small class="td-clamp">{}</small>', chip, why) if why else chip

    @admin.display(description="Next")
    def next_run(self, row: Schedule) -> SafeString:
        return console.when(None if row.paused else row.next_at)

    @admin.display(description="Last")
    def last_run(self, row: Schedule) -> SafeString:
        run = schedules.last_run(row)
        return run_line(run) if run else SafeString("never")

    @admin.display(description="Owner")
    def owner_shown(self, row: Schedule) -> str:
        return row.owner.get_username() if row.owner else "nobody"

    @admin.display(description="")
    def verbs(self, row: Schedule) -> SafeString:
        """Buttons of the list's own form: each posts to its verb, which takes the row from the path."""
        if not getattr(row, "may_change", False):
            return SafeString("")
        buttons = format_html_join(
            "",
            '<button class="td-icon-button" type="submit" formaction="{}" title="{}" '
            'aria-label="{} {}"><span class="material-symbols-outlined" aria-hidden="true">{}</span>'
            "</button>",
            ((v["url"], v["word"], v["word"], row.name, v["icon"]) for v in verbs_of(row)),
        )
        return format_html('<span class="td-verbs">{}</span>', buttons)

    def get_urls(self) -> list[Any]:
        do = self.admin_site.admin_view(require_POST(self.do_view))
        return [path("<uuid:key>/do/<str:verb>/", do, name="jobs_schedule_do"), *super().get_urls()]

    def do_view(self, request: HttpRequest, key: UUID, verb: str) -> HttpResponse:
        """POST: run, pause or resume one schedule; back to where the button was."""
        row = self.get_queryset(request).filter(pk=key).first()
        if row is None or verb not in VERBS or not self.has_change_permission(request, row):
            raise Http404("There is no such schedule, or it is not yours to change.")
        self._do(request, row, verb)
        here = reverse("admin:jobs_schedule_change", args=[key])
        from_page = here in request.headers.get("Referer", "")
        return redirect(here if from_page else reverse("admin:jobs_schedule_changelist"))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The kind first: what there is to fill in depends on it."""
        name = str(request.POST.get("kind") or request.GET.get("kind") or "")
        if self.has_add_permission(request) and not is_kind(name):
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": "New schedule: of which kind?",
                "groups": kind_groups(
                    lambda kind: None if kind.submit_by else f"{request.path}?kind={kind.name}"
                ),
            }
            return TemplateResponse(request, "admin/jobs/job/pick.html", context)
        return super().add_view(request, form_url, extra_context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        now = {}
        if row is not None:
            shown = {"times": self.times(row), "owner": self.owner_shown(row)}
            now = now_card(row, may_change=self.has_change_permission(request, row)) | shown
        context = {"now": now, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    @admin.action(description="Run now", permissions=["change"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for row in queryset.select_related("owner"):
            self._do(request, row, "run")

    @admin.action(description="Pause", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for row in queryset:
            self._do(request, row, "pause")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for row in queryset.select_related("owner"):
            self._do(request, row, "resume")

    def _do(self, request: HttpRequest, row: Schedule, verb: str) -> None:
        """One verb on one schedule; what it did, or why it refused, is said as a message."""
        by = cast(User, request.user)
        said: str | SafeString = ""
        try:
            if verb == "run":
                said = run_line(schedules.run_now(schedule=row, by=by))
            elif verb == "pause":
                schedules.pause(schedule=row, by=by)
            else:
                schedules.resume(schedule=row, by=by)
        except (ActionRefused, PermissionDenied) as error:
            self.message_user(request, f"{row}: {error}", messages.ERROR)
        else:
            text = format_html("{}: {} {}", row, VERBS[verb].done, said)
            self.message_user(request, text, messages.SUCCESS)
