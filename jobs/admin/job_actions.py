"""What people do with a job from its page: each a page that asks, and a POST that does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from jobs import access, registry, services
from jobs.admin.metadata_form import MetadataForm
from jobs.admin.option_form import OptionForm
from jobs.models import Job, Status
from jobs.options import masked_wire
from jobs.registry import KindAction


class JobActions:
    """Mixed into the admin of jobs, which says which job a request is about (`one`)."""

    admin_site: Any
    opts: Any

    def one(self, request: HttpRequest, object_id: str) -> Job:
        raise NotImplementedError

    def action_urls(self) -> list[Any]:
        def page(name: str, view: Any) -> Any:
            way = f"<uuid:object_id>/{name}/"
            return path(way, self.admin_site.admin_view(view), name=f"jobs_job_{name}")

        return [
            page("cancel", require_POST(self.cancel_view)),
            page("rerun", self.rerun_view),
            page("edit", self.edit_view),
            page("remove", self.remove_view),
            page("share", require_POST(self.share_view)),
            path(
                "<uuid:object_id>/do/<str:action>/",
                self.admin_site.admin_view(self.kind_action_view),
                name="jobs_job_do",
            ),
        ]

    def cancel_view(self, request: HttpRequest, object_id: Any) -> JsonResponse:
        """POST reason, force → {} or, with 409, {detail}: the socket brings the outcome."""
        job = self.one(request, str(object_id))
        try:
            services.cancel(
                job=job,
                by=_user(request),
                reason=str(request.POST.get("reason", "")),
                force="force" in request.POST,
            )
        except services.ActionRefused as error:
            return JsonResponse({"detail": str(error)}, status=409)
        return JsonResponse({})

    def rerun_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """The options to change; then what differs; then the child job."""
        job = self.one(request, str(object_id))
        access.check_may_run_again(job=job, by=request.user)
        kind = registry.get(job.kind) if _known(job) else None
        if kind is None or not job.is_terminal:
            return self._refused(
                request,
                job,
                "This job has not ended yet; cancel it first."
                if kind
                else "This installation does not know this kind of job any more.",
            )
        form = OptionForm(kind.options, base=masked_wire(job.options))
        details = MetadataForm(job=job)
        details.values["runAfter"] = ""
        differences: list[services.Difference] | None = None
        if request.method == "POST":
            overrides = form.changed(request.POST)
            given = details.read(request.POST)
            try:
                if not details.errors:
                    differences = services.rerun_differences(
                        job=job, by=_user(request), overrides=overrides
                    )
                    if "confirmed" in request.POST:
                        child = services.rerun(
                            job=job,
                            by=_user(request),
                            overrides=overrides,
                            name=given["name"],
                            tags=given["tags"],
                            priority=given["priority"],
                            run_after=given["run_after"],
                        )
                        self._say(request, "Queued again.", child)
                        return redirect("admin:jobs_job_change", child.pk)
            except services.InvalidOptions as error:
                form.refuse(error.errors)
            except services.InvalidFields as error:
                details.refuse(error.errors)
        wrong = bool(form.errors or details.errors or any(each.errors for each in form.inputs))
        review = differences is not None and not wrong and "change" not in request.POST
        context = {
            "title": "Run again",
            "form": form,
            "details": details,
            "differences": [each for each in differences or [] if each.changed],
            "same": sum(not each.changed for each in differences or []),
            "review": review,
            "typed": _typed(request.POST),
            "with_run_after": True,
        }
        return self._page(request, job, "rerun", context, status=400 if wrong else 200)

    def edit_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        job = self.one(request, str(object_id))
        access.check_may_change(job=job, by=request.user)
        # As the service holds it: before the first attempt, and of a kind that is known.
        open_options = job.status == Status.QUEUED and not job.attempt and _known(job)
        form = (
            OptionForm(registry.get(job.kind).options, base=masked_wire(job.options))
            if open_options
            else None
        )
        details = MetadataForm(job=job)
        wrong = False
        if request.method == "POST":
            given = details.read(request.POST)
            options = form.changed(request.POST) if form else {}
            queued = job.status == Status.QUEUED
            try:
                if not details.errors:
                    now = services.edit_metadata(
                        job=job,
                        by=_user(request),
                        name=given["name"],
                        tags=given["tags"],
                        priority=given["priority"] if queued else None,
                        shared=given["shared"],
                        options=options or None,
                    )
                    same = now.last_seq == job.last_seq
                    self._say(request, "Nothing was changed." if same else "Changed.", now)
                    return redirect("admin:jobs_job_change", job.pk)
            except services.InvalidOptions as error:
                if form:
                    form.refuse(error.errors)
            except services.InvalidFields as error:
                details.refuse(error.errors)
            except services.ActionRefused as error:
                # It started in the meantime; what was typed stays to be read.
                messages.error(request, str(error))
            wrong = True
        context = {
            "title": "Edit",
            "form": form,
            "details": details,
            "with_priority": job.status == Status.QUEUED,
            "with_shared": True,
        }
        return self._page(request, job, "edit", context, status=400 if wrong else 200)

    def remove_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        job = self.one(request, str(object_id))
        access.check_may_change(job=job, by=request.user)
        if not job.is_terminal:
            return self._refused(request, job, "This job has not ended yet; cancel it first.")
        if request.method == "POST":
            try:
                freed = services.delete(
                    job=job, by=_user(request), reason=str(request.POST.get("reason", ""))[:200]
                )
            except services.ActionRefused as error:
                return self._refused(request, job, str(error))
            files = f" with {freed.artifacts} file{'s' if freed.artifacts != 1 else ''}"
            messages.success(request, f"Deleted {job}{files if freed.artifacts else ''}.")
            return HttpResponseRedirect(reverse("admin:jobs_job_changelist"))
        kept = job.artifacts.all()
        context = {
            "title": "Delete",
            "files": kept.count(),
            "bytes": sum(kept.values_list("size_bytes", flat=True)),
            "children_count": job.children.count(),
        }
        return self._page(request, job, "remove", context)

    def share_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        job = self.one(request, str(object_id))
        now = services.edit_metadata(job=job, by=_user(request), shared=not job.shared)
        text = "Shared: everybody here may see it." if now.shared else "Not shared any more."
        self._say(request, text, now)
        return redirect("admin:jobs_job_change", job.pk)

    def kind_action_view(self, request: HttpRequest, object_id: Any, action: str) -> HttpResponse:
        """What only jobs of this kind can do, with a form for what it needs."""
        job = self.one(request, str(object_id))
        access.check_may_change(job=job, by=request.user)
        found = registry.get(job.kind).action(action) if _known(job) else None
        if found is None:
            return self._refused(request, job, f"Jobs of this kind have no action {action!r}.")
        form = OptionForm(found.payload, base={})
        wrong = False
        if request.method == "POST":
            try:
                result = services.act(
                    job=job, type=action, payload=form.read(request.POST), by=_user(request)
                )
            except services.InvalidFields as error:
                form.refuse(error.errors)
                wrong = True
            except services.ActionRefused as error:
                return self._refused(request, job, str(error))
            else:
                made = result.new_job_id and Job.objects.filter(pk=result.new_job_id).first()
                self._say(request, result.message, made or job)
                return redirect("admin:jobs_job_change", job.pk)
        context = {"title": found.label, "action": found, "form": form}
        return self._page(request, job, "do", context, status=400 if wrong else 200)

    def _page(
        self,
        request: HttpRequest,
        job: Job,
        name: str,
        context: Mapping[str, Any],
        *,
        status: int = 200,
    ) -> TemplateResponse:
        whole = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": job,
            "job": job,
            "zone": settings.TIME_ZONE,
            **context,
        }
        template = f"admin/jobs/job/{name}.html"
        return TemplateResponse(request, template, whole, status=status)

    def _refused(self, request: HttpRequest, job: Job, why: str) -> HttpResponse:
        messages.error(request, why)
        return redirect("admin:jobs_job_change", job.pk)

    def _say(self, request: HttpRequest, text: str, job: Job) -> None:
        url = reverse("admin:jobs_job_change", args=[job.pk])
        said = format_html('{} <a class="td-link" href="{}">{}</a>', text, url, job)
        messages.success(request, said)


def possible(job: Job, user: Any) -> dict[str, Any]:
    """Which actions the job's page offers `user`; each with the states in which it makes sense."""
    change, rerun = (
        _allowed(access.check_may_change, job, user),
        _allowed(access.check_may_run_again, job, user),
    )
    kind = registry.get(job.kind) if _known(job) else None
    own: list[KindAction] = list(kind.actions) if kind and change else []
    return {
        "change": change,
        "rerun": rerun and kind is not None,
        "own": [
            {
                "action": action,
                "statuses": " ".join(sorted(action.statuses)),
                "now": job.status in action.statuses,
            }
            for action in own
        ],
    }


def _allowed(check: Any, job: Job, user: Any) -> bool:
    try:
        check(job=job, by=user)
    except PermissionDenied:
        return False
    return True


def _known(job: Job) -> bool:
    return any(kind.name == job.kind for kind in registry.all_kinds())


def _typed(posted: QueryDict) -> list[tuple[str, str]]:
    """What a form sent, to be sent again by the next step."""
    own = {"csrfmiddlewaretoken", "confirmed", "change"}
    return [(name, text) for name, texts in posted.lists() if name not in own for text in texts]


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
