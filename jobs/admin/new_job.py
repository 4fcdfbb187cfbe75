"""New job: choose a kind, fill in what its declaration asks for, queue it or keep it as a preset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import uuid4

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from jobs import access, policies, registry, services
from jobs.admin.metadata_form import MetadataForm
from jobs.admin.option_field import about, defaults_of, kind_groups
from jobs.admin.option_form import OptionForm
from jobs.models import Preset
from jobs.options import masked_wire, spelled_inside
from jobs.registry import Kind
from jobs.services.describing import submit_page


class NewJob:
    """Mixed into the admin of jobs."""

    admin_site: Any
    opts: Any

    def new_view(self, request: HttpRequest) -> HttpResponse:
        access.check_may_do(by=request.user)
        name = str(request.POST.get("kind") or request.GET.get("kind") or "")
        if not name:
            return self._new_page(
                request, "pick", {"title": "New job", "groups": kind_groups(_url_of)}
            )
        try:
            kind = registry.get(name)
        except registry.UnknownKind as error:
            raise Http404(str(error)) from error
        if kind.submit_by:
            if page := submit_page(kind):
                return redirect(page)
            messages.warning(request, kind.submit_by)
            return redirect("admin:jobs_job_new")
        return self._filled(request, kind)

    def _filled(self, request: HttpRequest, kind: Kind) -> HttpResponse:
        posted = request.POST
        presets = {preset.name: preset for preset in Preset.objects.filter(kind=kind.name)}
        chosen = presets.get(str(posted.get("preset") or request.GET.get("preset") or ""))
        defaults = defaults_of(kind)
        base = {**defaults, **(masked_wire(chosen.options) if chosen else {})}
        details = MetadataForm(priority=policies.of(kind).priority)
        form = OptionForm(kind.options, base=base)
        wrong = False
        saved: dict[str, str] = {"name": "", "error": "", "description": ""}
        if request.method == "POST":
            if "fill" in posted:
                # What was typed since the last filling wins over the newly chosen preset.
                before = presets.get(str(posted.get("filled", "")))
                old = {**defaults, **(masked_wire(before.options) if before else {})}
                typed = OptionForm(kind.options, base=old).changed(posted)
                form = OptionForm(kind.options, base={**base, **typed})
                details.read(posted)
            elif "save" in posted:
                wrong = not self._save(request, kind, form, defaults, details, saved)
            else:
                job = self._submit(request, kind, form, details, chosen)
                if job is not None:
                    return redirect("admin:jobs_job_change", job.pk)
                wrong = True
        context = {
            "title": kind.label,
            "kind": kind,
            "about": about(kind),
            "form": form,
            "details": details,
            "presets": list(presets.values()),
            "chosen": chosen,
            "saved": saved,
            "key": str(posted.get("key") or uuid4()),
            "with_priority": True,
            "with_run_after": True,
            "with_shared": False,
        }
        return self._new_page(request, "new", context, status=400 if wrong else 200)

    def _submit(
        self,
        request: HttpRequest,
        kind: Kind,
        form: OptionForm,
        details: MetadataForm,
        preset: Preset | None,
    ) -> Any:
        options = form.read(request.POST)
        given = details.read(request.POST)
        # What is wrong with the options is said along with what is wrong with the rest.
        _check(kind, form, preset, options)
        if details.errors:
            return None
        try:
            job = services.submit(
                kind=kind.name,
                options=options,
                by=cast(User, request.user),
                name=given["name"],
                tags=given["tags"],
                priority=given["priority"],
                run_after=given["run_after"],
                preset=preset.name if preset else None,
                # The same form sent twice, by two clicks or a reload, is one job.
                idempotency_key=str(request.POST.get("key") or "") or None,
            )
        except services.InvalidOptions:
            pass  # said above
        except services.InvalidFields as error:
            details.refuse(error.errors)
        except (services.UnknownPreset, services.IdempotencyConflict) as error:
            form.errors.append(str(error))
        else:
            url = reverse("admin:jobs_job_change", args=[job.pk])
            said = "Queued before; this is that job:" if job.was_there else "Queued."
            link = format_html('{} <a class="td-link" href="{}">{}</a>', said, url, job)
            messages.success(request, link)
            return job
        return None

    def _save(
        self,
        request: HttpRequest,
        kind: Kind,
        form: OptionForm,
        defaults: Mapping[str, Any],
        details: MetadataForm,
        saved: dict[str, str],
    ) -> bool:
        """Keep what was filled in as a preset; whether it was kept."""
        form.read(request.POST)
        details.read(request.POST)
        saved["name"] = str(request.POST.get("presetName", ""))
        saved["description"] = str(request.POST.get("presetDescription", ""))
        try:
            preset = services.save_preset(
                kind=kind.name,
                name=saved["name"],
                description=saved["description"],
                options=OptionForm(kind.options, base=defaults).changed(request.POST),
                by=cast(User, request.user),
            )
        except services.InvalidOptions as error:
            form.refuse(error.errors)
        except services.InvalidFields as error:
            saved["error"] = " ".join(
                str(text) for texts in error.errors.values() for text in texts
            )
        else:
            messages.success(request, f"Saved the preset {preset}.")
            saved.update(name="", description="")
            return True
        return False

    def _new_page(
        self, request: HttpRequest, name: str, context: Mapping[str, Any], *, status: int = 200
    ) -> TemplateResponse:
        whole = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "zone": settings.TIME_ZONE,
            **context,
        }
        return TemplateResponse(request, f"admin/jobs/job/{name}.html", whole, status=status)


def _url_of(kind: Kind) -> str:
    if kind.submit_by:
        return submit_page(kind) or ""
    return f"{reverse('admin:jobs_job_new')}?kind={kind.name}"


def _check(kind: Kind, form: OptionForm, preset: Preset | None, options: Mapping[str, Any]) -> None:
    try:
        given = spelled_inside(kind.options, options)
        kind.clean({**(preset.options if preset else {}), **given})
    except services.InvalidOptions as error:
        form.refuse(error.errors)
