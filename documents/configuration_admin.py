"""The console's pages of configurations: list, editor with a live test, comparison, plug-ins."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from documents.configurations import services
from documents.configurations.checking import MAX_CHARS, Flaw, InvalidConfiguration, checked
from documents.configurations.comparing import differences
from documents.extraction import plugins
from documents.extraction.rules import TRANSFORMS, VALIDATORS
from documents.models import (
    Configuration,
    ConfigurationVersion,
    Correction,
    Document,
    VersionState,
)
from documents.own_pages import AdminsOnly, OwnPages
from jobs import access
from jobs.console import when

NEW = """\
tapedeck: 1
name: my-table
title: My table
fields:
  - name: number
    label: Number
    required: true
    synonyms: [no, nr]
  - name: amount
    label: Amount
    type: decimal
    required: true
"""
STATE_TONES = {"draft": "warn", "active": "ok", "archived": "idle"}


def state_chip(state: str) -> str:
    return format_html(
        '<span class="td-chip" data-tone="{}">{}</span>',
        STATE_TONES[state],
        VersionState(state).label,
    )


@admin.register(Configuration)
class ConfigurationAdmin(OwnPages):
    list_display = ("called", "active_version", "draft_version", "runs", "created")
    list_display_links = None
    search_fields = ("name", "title")
    ordering = ("name",)
    list_per_page = 50
    actions = None
    show_full_result_count = False
    change_list_template = "admin/documents/configuration/list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Configuration]:
        return (
            Configuration.objects.prefetch_related("versions")
            .select_related("created_by")
            .annotate(runs_count=Count("versions__runs"))
            .order_by("name")
        )

    @admin.display(description="Configuration")
    def called(self, row: Configuration) -> str:
        return format_html(
            '<a class="td-flow" href="{}"><strong>{}</strong><span>{}</span></a>',
            reverse("admin:documents_configuration_change", args=[row.pk]),
            row.title,
            row.name,
        )

    def _number(self, row: Configuration, state: str) -> str:
        found = next((v.number for v in row.versions.all() if v.state == state), None)
        return f"version {found}" if found else "–"

    @admin.display(description="Active")
    def active_version(self, row: Configuration) -> str:
        return self._number(row, VersionState.ACTIVE)

    @admin.display(description="Draft")
    def draft_version(self, row: Configuration) -> str:
        return self._number(row, VersionState.DRAFT)

    @admin.display(description="Runs")
    def runs(self, row: Configuration) -> int:
        return int(getattr(row, "runs_count", 0))

    @admin.display(description="Created")
    def created(self, row: Configuration) -> str:
        return when(row.created_at)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        extra = {**(extra_context or {}), "may_do": access.may_do(request.user)}
        return super().changelist_view(request, extra)

    def get_urls(self) -> list[Any]:
        return [
            self.route("new/", self.new_view, "new"),
            self.route("examples/", require_POST(self.examples_view), "examples"),
            self.route("plugins/", self.plugins_view, "plugins"),
            self.route("<uuid:pk>/compare/", self.compare_view, "compare"),
            self.route("<uuid:pk>/save/", require_POST(self.save_view), "save"),
            self.route("<uuid:pk>/<int:number>/<slug:verb>/", require_POST(self.verb_view), "verb"),
            *super().get_urls(),
        ]

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """A new configuration: written here, or an uploaded or pasted file."""
        access.check_may_do(by=request.user)
        text, flaws = NEW, []
        if request.method == "POST":
            text = _posted_text(request)
            try:
                made = services.import_text(text=text, by=cast(User, request.user), note="")
                return _to(made.configuration)
            except InvalidConfiguration as error:
                flaws = error.flaws
            except services.WrongState as error:
                flaws = [Flaw(path="name", why=str(error), do="")]
        return self.page(
            request, "new", 422 if flaws else 200, title="New configuration", text=text, flaws=flaws
        )

    def examples_view(self, request: HttpRequest) -> HttpResponse:
        made = services.install_examples(by=cast(User, request.user))
        if made:
            names = ", ".join(version.configuration.title for version in made)
            messages.success(request, f"Added and activated: {names}.")
        else:
            messages.info(request, "All ready-made configurations are here already.")
        return HttpResponseRedirect(reverse("admin:documents_configuration_changelist"))

    def plugins_view(self, request: HttpRequest) -> HttpResponse:
        return self.page(
            request,
            "plugins",
            title="Transforms, validators and plug-ins",
            plugins=plugins.installed(),
            transforms=TRANSFORMS,
            validators=VALIDATORS,
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        found = self.get_object(request, object_id)
        if found is None:
            raise Http404("There is no such configuration.")
        return self._editor(request, found)

    def _editor(
        self,
        request: HttpRequest,
        found: Configuration,
        *,
        text: str | None = None,
        flaws: list[Flaw] | None = None,
    ) -> HttpResponse:
        versions = list(found.versions.select_related("created_by").annotate(used=Count("runs")))
        asked = request.GET.get("version", "")
        shown = next((each for each in versions if str(each.number) == asked), versions[0])
        draft = next((each for each in versions if each.state == VersionState.DRAFT), None)
        documents = Document.objects.visible_to(request.user).present().order_by("-id")[:100]
        return self.page(
            request,
            "page",
            422 if flaws else 200,
            title=found.title,
            configuration=found,
            versions=[(each, state_chip(each.state), when(each.updated_at)) for each in versions],
            shown=shown,
            shown_chip=state_chip(shown.state),
            draft=draft,
            text=shown.text if text is None else text,
            flaws=flaws or [],
            documents=documents,
            may_do=access.may_do(request.user),
            config={
                "name": found.name,
                "sha256": draft.sha256 if draft else "",
                "jobPage": reverse("admin:jobs_job_change", args=[0]).replace("/0/", "/{id}/"),
            },
        )

    def save_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        found = self._found(request, pk)
        text = _posted_text(request)
        try:
            saved = services.save_draft(
                configuration=found,
                text=text,
                by=cast(User, request.user),
                note=request.POST.get("note", "")[:300],
                expected_sha256=request.POST.get("sha256") or None,
            )
        except InvalidConfiguration as error:
            return self._editor(request, found, text=text, flaws=error.flaws)
        except services.DraftChanged as error:
            flaw = Flaw(path="draft", why=str(error), do="Copy your text before you reload.")
            return self._editor(request, found, text=text, flaws=[flaw])
        messages.success(request, f"Saved as draft, version {saved.number}.")
        return _to(found, saved.number)

    def verb_view(self, request: HttpRequest, pk: Any, number: int, verb: str) -> HttpResponse:
        found = self._found(request, pk)
        version = found.versions.select_related("configuration").filter(number=number).first()
        if version is None:
            raise Http404("It has no such version.")
        by = cast(User, request.user)
        try:
            if verb == "clone":
                made = services.clone(
                    version=version, name=request.POST.get("name", "").strip(), by=by
                )
                return _to(made.configuration)
            if verb == "delete":
                services.delete_draft(version=version, by=by)
                messages.success(request, f"Deleted the draft, version {number}.")
                if not Configuration.objects.filter(pk=found.pk).exists():
                    return HttpResponseRedirect(reverse("admin:documents_configuration_changelist"))
                return _to(found)
            verbs = {
                "activate": services.activate,
                "archive": services.archive,
                "draft": services.start_draft,
            }
            if verb not in verbs:
                raise Http404(f"There is no {verb} here.")
            done: ConfigurationVersion = verbs[verb](version=version, by=by)
            messages.success(
                request, f"Version {done.number} is {done.get_state_display().lower()}."
            )
            return _to(found, done.number)
        except (
            services.WrongState,
            services.NotADraft,
            services.NameTaken,
            InvalidConfiguration,
        ) as error:
            messages.error(request, str(error))
            return _to(found, number)

    def compare_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        found = self._found(request, pk)
        versions = list(found.versions.order_by("number"))
        numbers = {str(each.number): each for each in versions}
        two = numbers.get(request.GET.get("to", ""), versions[-1])
        one = numbers.get(request.GET.get("from", ""), versions[max(0, len(versions) - 2)])
        rows, problem = [], ""
        try:
            rows = differences(checked(one.text), checked(two.text))
        except InvalidConfiguration as error:
            problem = f"One of them does not fit this installation any more: {error}"
        return self.page(
            request,
            "compare",
            title=f"{found.title}: version {one.number} to {two.number}",
            configuration=found,
            versions=versions,
            one=one,
            two=two,
            rows=rows,
            problem=problem,
        )

    def _found(self, request: HttpRequest, pk: Any) -> Configuration:
        if not self.has_view_permission(request):
            raise Http404("There is no such configuration.")
        found = Configuration.objects.filter(pk=pk).first()
        if found is None:
            raise Http404("There is no such configuration.")
        return found


def _posted_text(request: HttpRequest) -> str:
    file = request.FILES.get("file")
    if file is not None and file.size:
        data: bytes = file.read(MAX_CHARS * 4)
        return data.decode("utf-8", "replace")
    # Browsers send CRLF; a configuration is kept as a person's editor writes it.
    return request.POST.get("text", "").replace("\r\n", "\n")


def _to(configuration: Configuration, number: int | None = None) -> HttpResponseRedirect:
    url = reverse("admin:documents_configuration_change", args=[configuration.pk])
    return HttpResponseRedirect(f"{url}?version={number}" if number else url)


@admin.register(ConfigurationVersion)
class ConfigurationVersionAdmin(AdminsOnly):
    list_display = ("configuration", "number", "state", "created_at")
    list_select_related = ("configuration",)


@admin.register(Correction)
class CorrectionAdmin(AdminsOnly):
    list_display = ("run", "kind", "table", "column", "row", "field", "by", "at")
    list_select_related = ("by", "run")
