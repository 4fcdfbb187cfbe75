"""The console's pages of extractions: list, one run beside its sources, two runs compared."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from documents.models import Document, ExtractedDocument, ExtractedTable, ExtractionRun
from documents.own_pages import AdminsOnly, OwnPages
from documents.run_comparison import compared
from jobs import access, services
from jobs.console import when

TONES = {"success": "ok", "partial": "warn", "failure": "bad", "unknown": "idle"}
EVALUATION_WORDS = {
    "success": "Everything that is required was found, and no cell has an error.",
    "partial": "Rows came out, but not all of them are as they should be.",
    "failure": "No row has all that the configuration requires.",
    "unknown": "No document could be read, so nothing is known of what is in them.",
}
MAX_DOCUMENTS_SHOWN = 500


def evaluation_chip(evaluation: str) -> str:
    return format_html(
        '<span class="td-chip" data-tone="{}">{}</span>',
        TONES[evaluation],
        ExtractionRun.Evaluation(evaluation).label,
    )


@admin.register(ExtractionRun)
class ExtractionRunAdmin(OwnPages):
    list_display = ("named", "evaluation_shown", "configuration", "found", "by", "at")
    list_display_links = None
    list_filter = ("evaluation",)
    search_fields = ("version__configuration__name", "documents__name")
    ordering = ("-job_id",)
    list_per_page = 50
    actions = None
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    change_list_template = "admin/documents/extractionrun/list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ExtractionRun]:
        return (
            ExtractionRun.objects.visible_to(request.user)
            .select_related("job__owner", "version__configuration")
            .order_by("-job_id")
        )

    @admin.display(description="Extraction")
    def named(self, run: ExtractionRun) -> str:
        words = "Dry run" if run.dry_run else run.operation.capitalize()
        return format_html(
            '<a class="td-flow" href="{}"><strong>{}</strong><span>{}</span></a>',
            reverse("admin:documents_extractionrun_change", args=[run.pk]),
            run.job.name,
            words,
        )

    @admin.display(description="Evaluation")
    def evaluation_shown(self, run: ExtractionRun) -> str:
        return evaluation_chip(run.evaluation)

    @admin.display(description="Configuration")
    def configuration(self, run: ExtractionRun) -> str:
        return f"{run.version.configuration.title}, version {run.version.number}"

    @admin.display(description="Found")
    def found(self, run: ExtractionRun) -> str:
        counts = run.summary.get("counts", {})
        return f"{counts.get('tables', 0):,} tables, {counts.get('rows', 0):,} rows"

    @admin.display(description="By")
    def by(self, run: ExtractionRun) -> str:
        return run.job.owner.get_username()

    @admin.display(description="When")
    def at(self, run: ExtractionRun) -> str:
        return when(run.created_at)

    def get_urls(self) -> list[Any]:
        return [
            self.route("start/", self.start_view, "start"),
            self.route("<uuid:pk>/compare/", self.compare_view, "compare"),
            self.route("<uuid:pk>/again/", require_POST(self.again_view), "again"),
            *super().get_urls(),
        ]

    def start_view(self, request: HttpRequest) -> HttpResponse:
        """One extraction over many documents: which, by what, and how."""
        from documents.models import Configuration

        access.check_may_do(by=request.user)
        chosen = request.POST.getlist("documents") or request.GET.getlist("document")
        errors: dict[str, Any] = {}
        if request.method == "POST":
            options: dict[str, Any] = {
                "documents": chosen,
                "configuration": request.POST.get("configuration", ""),
                "operation": request.POST.get("operation", "process"),
                "dry_run": bool(request.POST.get("dry_run")),
                "sheets": [
                    part.strip()
                    for part in request.POST.get("sheets", "").split(",")
                    if part.strip()
                ],
            }
            if number := request.POST.get("version", "").strip():
                options["version"] = number
            try:
                job = services.submit(
                    kind="documents.extract", options=options, by=cast(User, request.user)
                )
                return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.pk]))
            except services.InvalidOptions as error:
                errors = {str(name): said for name, said in error.errors.items()}
        documents = Document.objects.visible_to(request.user).present()
        words = request.GET.get("q", "").strip()
        if words:
            documents = documents.filter(name__icontains=words)
        return self.page(
            request,
            "start",
            422 if errors else 200,
            title="Extract tables",
            documents=documents.select_related("current").order_by("-id")[:MAX_DOCUMENTS_SHOWN],
            configurations=Configuration.objects.all(),
            chosen=set(chosen),
            errors=errors,
            words=words,
            given=request.POST,
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        run = self._found(request, object_id)
        tables = list(run.tables.select_related("document"))
        asked = request.GET.get("table", "")
        table = next((each for each in tables if str(each.number) == asked), None) or next(
            iter(tables), None
        )
        others = (
            ExtractionRun.objects.visible_to(request.user)
            .filter(documents__document__in=run.documents.exclude(document=None).values("document"))
            .exclude(pk=run.pk)
            .select_related("version__configuration", "job")
            .distinct()
            .order_by("-job_id")[:20]
        )
        documents = list(run.documents.select_related("document"))
        may_do = access.may_do(request.user) and (
            run.job.owner_id == request.user.pk or access.is_admin(request.user)
        )
        return self.page(
            request,
            "page",
            title=run.job.name,
            run=run,
            tone=TONES[run.evaluation],
            words=EVALUATION_WORDS[run.evaluation],
            summary=run.summary,
            started=when(run.created_at),
            documents=[(each, evaluation_chip(each.evaluation)) for each in documents],
            tables=tables,
            table=table,
            others=others,
            downloads=run.job.artifacts.filter(
                visible=True, kind__in=["workbook", "csv", "json", "report"]
            ),
            draft=run.version.configuration.versions.filter(state="draft").first(),
            may_do=may_do,
            config=self._config(run, table, may_do) if table else None,
        )

    def _config(self, run: ExtractionRun, table: ExtractedTable, may_do: bool) -> dict[str, Any]:
        return {
            "jobId": str(run.pk),
            "api": f"/api/jobs/{run.pk}",
            "table": table.number,
            "rowCount": table.rows,
            "keptRows": table.info["keptRows"],
            "columns": run.summary["columns"],
            "mapping": table.info["mapping"],
            "headerRows": table.info["headerRows"],
            "skipped": table.info["skipped"],
            "boxes": table.info.get("boxes", {}),
            "pages": table.info.get("pages", {}),
            "page": table.info.get("page"),
            "pageWidths": table.info.get("pageWidths", {}),
            "documentId": str(table.document.document_id or ""),
            "editable": may_do,
        }

    def compare_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        run = self._found(request, str(pk))
        other = self._found(request, request.GET.get("with", ""))
        return self.page(
            request,
            "compare",
            title="Two extractions compared",
            run=run,
            other=other,
            chips=(evaluation_chip(other.evaluation), evaluation_chip(run.evaluation)),
            comparison=compared(other, run),
        )

    def again_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """The same documents once more, by another version of the configuration."""
        run = self._found(request, str(pk))
        overrides = {"version": int(request.POST["version"])} if request.POST.get("version") else {}
        try:
            job = services.rerun(job=run.job, by=cast(User, request.user), overrides=overrides)
        except services.InvalidOptions as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(
                reverse("admin:documents_extractionrun_change", args=[run.pk])
            )
        return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.pk]))

    def _found(self, request: HttpRequest, object_id: str) -> ExtractionRun:
        try:
            run = self.get_object(request, object_id)
        except ValueError:
            run = None
        if run is None or not self.has_view_permission(request):
            raise Http404("There is no such extraction, or it is not yours.")
        found: ExtractionRun = run
        return found


@admin.register(ExtractedDocument)
class ExtractedDocumentAdmin(AdminsOnly):
    list_display = ("name", "run", "evaluation", "rows")


@admin.register(ExtractedTable)
class ExtractedTableAdmin(AdminsOnly):
    list_display = ("run", "number", "sheet", "rows")
