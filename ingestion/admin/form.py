"""Adding and changing a source: a form made from the settings that its kind declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast
from uuid import UUID

from django.conf import settings as configured
from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from rest_framework.fields import empty

from ingestion import connectors, console, sources
from ingestion.connectors import Report
from ingestion.models import Source, SourceKind
from ingestion.rights import check_may_change
from jobs import access
from jobs.admin.option_form import OptionForm
from jobs.casing import camel
from jobs.options import default_of, masked_wire
from jobs.registry import ActionRefused, InvalidOptions
from jobs.services.refusals import InvalidFields

TIMES = (
    ("", "By hand only"),
    ("0 * * * *", "Every hour"),
    ("0 */6 * * *", "Every six hours"),
    ("0 3 * * *", "Every night at 3"),
    ("0 3 * * SUN", "Every Sunday at 3"),
)


class SourceForms:
    """Mixed into the admin of sources."""

    admin_site: Any
    opts: Any
    one: Callable[..., Source]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        access.check_may_do(by=request.user)
        kind = str(request.POST.get("kind") or request.GET.get("kind") or "")
        if not kind:
            cards = [
                {
                    "kind": each,
                    "word": SourceKind(each).label,
                    "icon": console.ICONS[SourceKind(each)],
                    "about": console.ABOUT[SourceKind(each)],
                }
                for each in connectors.all_connectors()
            ]
            return self._page(request, "pick", {"title": "Add a source", "cards": cards})
        if kind not in connectors.all_connectors():
            raise Http404(f"There is no kind of source {kind!r}.")
        return self._filled(request, kind=kind, source=None)

    def edit_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        source = self.one(request, key)
        check_may_change(source=source, by=request.user)
        if source.kind not in connectors.all_connectors():
            raise Http404("This source has no settings.")
        return self._filled(request, kind=source.kind, source=source)

    def _filled(self, request: HttpRequest, *, kind: str, source: Source | None) -> HttpResponse:
        declared = connectors.get(kind).settings
        base = _defaults(kind) | (masked_wire(source.settings) if source else {})
        form = OptionForm(declared, base=base)
        schedule = source.schedule if source else None
        values = {
            "name": source.name if source else "",
            "shared": source.shared if source else False,
            "cron": schedule.cron if schedule else "",
            "zone": schedule.time_zone if schedule else configured.TIME_ZONE,
        }
        report: Report | None = None
        wrong: dict[str, str] = {}
        status = 200
        if request.method == "POST":
            posted = request.POST
            values |= {
                "name": str(posted.get("name", "")),
                "shared": "shared" in posted,
                "cron": str(posted.get("cron", "")),
            }
            given = form.read(posted, keep=source is not None)
            try:
                if "test" in posted:
                    report = sources.try_connection(
                        kind=kind, settings=given, by=cast(User, request.user), source=source
                    )
                else:
                    saved = self._save(request, kind, source, given, values)
                    return redirect("admin:ingestion_source_change", saved.pk)
            except InvalidOptions as error:
                form.refuse(error.errors)
                status = 400
            except InvalidFields as error:
                wrong = {
                    name: " ".join(str(text) for text in texts)
                    for name, texts in error.errors.items()
                }
                status = 400
            except ActionRefused as error:
                wrong = {"": str(error)}
                status = 409
            if report is not None:
                # Each problem at the setting that it is about.
                form.refuse(
                    {camel(each.field): [each.message] for each in report.problems if each.field}
                )
        context = {
            "title": source.name if source else f"Add a source: {SourceKind(kind).label}",
            "original": source,
            "source": source,
            "kind": kind,
            "word": SourceKind(kind).label,
            "icon": console.ICONS[SourceKind(kind)],
            "about": console.ABOUT[SourceKind(kind)],
            "form": form,
            "form_keeps": source is not None,
            "values": values,
            "wrong": wrong,
            "report": report,
            "times": TIMES,
            "own_times": values["cron"] not in dict(TIMES),
        }
        return self._page(request, "form", context, status=status)

    def _save(
        self,
        request: HttpRequest,
        kind: str,
        source: Source | None,
        given: Mapping[str, Any],
        values: Mapping[str, Any],
    ) -> Source:
        by = cast(User, request.user)
        with transaction.atomic():
            if source is None:
                saved = sources.create(
                    kind=kind, settings=given, by=by, name=values["name"], shared=values["shared"]
                )
            else:
                saved = sources.change(
                    source=source,
                    by=by,
                    name=values["name"],
                    settings=given,
                    shared=values["shared"],
                )
            before = saved.schedule.cron if saved.schedule else ""
            if values["cron"].strip() != before:
                sources.set_schedule(source=saved, by=by, cron=values["cron"])
            if "sync" in request.POST:
                sources.sync(source=saved, by=by)
                messages.success(request, f"Saved {saved.name}; its sync is queued.")
            else:
                messages.success(request, f"Saved {saved.name}.")
        return saved

    def _page(
        self, request: HttpRequest, name: str, context: Mapping[str, Any], *, status: int = 200
    ) -> TemplateResponse:
        whole = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "list_url": reverse("admin:ingestion_source_changelist"),
            **context,
        }
        return TemplateResponse(
            request, f"admin/ingestion/source/{name}.html", whole, status=status
        )


def _defaults(kind: str) -> dict[str, Any]:
    fields = connectors.get(kind).settings().fields.items()
    found = {camel(name): default_of(field) for name, field in fields}
    return {name: value for name, value in found.items() if value is not empty}
