"""The recordings' pages: list, "New recording", and the page of one session."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from jobs import access
from jobs.admin.base import OwnerShown
from jobs.models import Status
from recorder import pages, services
from recorder.forms import NewRecordingForm, again
from recorder.models import RecordingSession


class StateFilter(admin.SimpleListFilter):
    """By what a recording says of itself; the words of the chips."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("live", "Live now"),
            ("queued", "Queued"),
            ("verified", "Verified"),
            ("not_verified", "Does not replay"),
            ("saved", "Not verified since its last change"),
            ("failed", "Failed"),
            ("cancelled", "Cancelled"),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[RecordingSession]
    ) -> QuerySet[RecordingSession]:
        ended = Q(job__status__in=[Status.SUCCEEDED, Status.FAILED])
        unverified = Q(verdict=RecordingSession.Verdict.UNVERIFIED)
        broke = Q(job__status=Status.FAILED) & ~Q(job__reason="not_verified")
        wanted = {
            "live": Q(job__status=Status.RUNNING),
            "queued": Q(job__status=Status.QUEUED),
            "verified": ended & Q(verdict=RecordingSession.Verdict.VERIFIED),
            "not_verified": ended & Q(verdict=RecordingSession.Verdict.FAILED),
            "saved": ended & unverified & ~broke,
            "failed": ended & unverified & broke,
            "cancelled": Q(job__status=Status.CANCELLED),
        }.get(str(self.value()))
        return queryset.filter(wanted) if wanted is not None else queryset


class OwnerFilter(admin.SimpleListFilter):
    """Owners who have recordings; only an administrator sees those of others."""

    title = "owner"
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        if not access.is_admin(request.user):
            return []
        # By the users, not the recordings: few rows, however many recordings there are.
        owners = User.objects.filter(is_staff=True).order_by("username")[:200]
        return [(str(owner.pk), owner.get_username()) for owner in owners]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[RecordingSession]
    ) -> QuerySet[RecordingSession]:
        value = self.value()
        return queryset.filter(owner_id=int(value)) if value and value.isdigit() else queryset


@admin.register(RecordingSession)
class RecordingSessionAdmin(OwnerShown, ModelAdmin):  # type: ignore[misc]  # the theme's own bases disagree
    list_display = ("flow", "state_chip", "steps_shown", "verdict_shown", "owner_shown", "created")
    list_filter = (StateFilter, OwnerFilter)
    list_display_links = None
    search_fields = ("flow_name", "url")
    ordering = ("-id",)
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = None
    change_list_template = "admin/recorder/recordingsession/change_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[RecordingSession]:
        return (
            RecordingSession.objects.visible_to(request.user)
            .with_steps_count()
            .select_related("job", "owner")
            .order_by("-id")
        )

    # Recording is what operators are for; whose recordings one sees is decided by `visible_to`.
    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.may_see(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.may_see(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access.may_do(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="Flow")
    def flow(self, session: RecordingSession) -> str:
        return format_html(
            '<a class="td-flow" href="{}"><strong>{}</strong><span>{}</span></a>',
            reverse("admin:recorder_recordingsession_change", args=[session.pk]),
            session.flow_name,
            session.url,
        )

    @admin.display(description="State")
    def state_chip(self, session: RecordingSession) -> str:
        return pages.chip(session)

    @admin.display(description="Steps")
    def steps_shown(self, session: RecordingSession) -> int:
        return int(getattr(session, "steps_count", 0))

    @admin.display(description="Verdict")
    def verdict_shown(self, session: RecordingSession) -> str:
        return pages.verdict_line(session)

    @admin.display(description="Created")
    def created(self, session: RecordingSession) -> str:
        return pages.when(session.created_at)

    def get_urls(self) -> list[Any]:
        def at(route: str, view: Any, name: str) -> Any:
            return path(
                route, self.admin_site.admin_view(view), name=f"recorder_recordingsession_{name}"
            )

        return [
            at("<uuid:session_id>/stop/", require_POST(self.stop_view), "stop"),
            at("<uuid:session_id>/replay/", require_POST(self.replay_view), "replay"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        form = NewRecordingForm(
            request.POST or None, initial=self._initial(request), user=request.user
        )
        if request.method == "POST" and isinstance(request.user, User):
            session = form.start(by=request.user)
            if session is not None:
                return HttpResponseRedirect(
                    reverse("admin:recorder_recordingsession_change", args=[session.pk])
                )
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "New recording",
            "form": form,
        }
        status = 422 if request.method == "POST" else 200
        return TemplateResponse(
            request, "admin/recorder/recordingsession/add.html", context, status=status
        )

    def _initial(self, request: HttpRequest) -> dict[str, Any]:
        """`?url=…`, or `?from=<recording>` for its address, name and options."""
        earlier = request.GET.get("from")
        session = self.get_object(request, earlier) if earlier else None
        return again(session) if session else {"url": request.GET.get("url", "")}

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        session = self._session(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": session,
            "title": session.flow_name,
            **pages.session_context(session),
        }
        template = "session_ended" if session.job.is_terminal else "session_live"
        return TemplateResponse(
            request, f"admin/recorder/recordingsession/{template}.html", context
        )

    def stop_view(self, request: HttpRequest, session_id: Any) -> HttpResponse:
        session = self._session(request, str(session_id))
        try:
            services.request_stop(session=session, by=request.user)  # type: ignore[arg-type]
        except services.SessionEnded as ended:
            messages.info(request, str(ended))
        return self._to(session)

    def replay_view(self, request: HttpRequest, session_id: Any) -> HttpResponse:
        session = self._session(request, str(session_id))
        try:
            services.replay(session=session, by=request.user)  # type: ignore[arg-type]
        except (services.SessionRunning, services.NothingToReplay) as refused:
            messages.error(request, str(refused))
        return self._to(session)

    def _session(self, request: HttpRequest, object_id: str) -> RecordingSession:
        session = self.get_object(request, object_id)
        if session is None:
            raise Http404("There is no such recording, or it is not yours.")
        found: RecordingSession = session
        return found

    @staticmethod
    def _to(session: RecordingSession) -> HttpResponseRedirect:
        return HttpResponseRedirect(
            reverse("admin:recorder_recordingsession_change", args=[session.pk]) + "#replays"
        )
