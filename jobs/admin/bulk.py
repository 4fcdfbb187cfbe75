"""Actions on many jobs: asked once, done one by one, and told as it really went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs import access, console, services
from jobs.models import TERMINAL, Job, Status

# At once, so that one request stays short; the message says when there were more.
MOST = 500
SHOWN = 50
# What became of a job, in the order in which it is told.
DONE = ("cancelled", "asked to stop", "queued again", "deleted", "tagged")
NOT_DONE = (
    "already so",
    "already ended",
    "not ended yet",
    "still needed by something else",
    "refused",
    "of an unknown kind",
    "not yours to change",
)


@dataclass(frozen=True)
class _Shown:
    """Where what was done can be looked at: a list by state or tag, or jobs that were made."""

    status: str = ""
    tag: str = ""
    jobs: list[Job] | None = None

    def link(self) -> tuple[str, str]:
        listing = reverse("admin:jobs_job_changelist")
        if self.tag:
            return f"{listing}?{urlencode({'tag': self.tag})}", f"Show jobs tagged {self.tag}"
        return f"{listing}?status__exact={self.status}", f"Show {self.status} jobs"


class Bulk:
    """Mixed into the admin of jobs."""

    admin_site: Any
    opts: Any

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return access.may_do(request.user)

    @admin.action(description="Cancel…", permissions=["operate"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        """Ask for a reason, then cancel; say of each group what really happened."""
        reason = request.POST.get("reason", "").strip()[:200]

        def one(job: Job, by: User) -> str:
            now = services.cancel(job=job, by=by, reason=reason)
            return "cancelled" if now.status == Status.CANCELLED else "asked to stop"

        return self._bulk(
            request,
            queryset,
            name="cancel",
            fits=lambda job: not job.is_terminal,
            one=one,
            show=_Shown(Status.CANCELLED),
        )

    @admin.action(description="Run again…", permissions=["operate"])
    def rerun_selected(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        """Each ended one again, with the options that it had."""

        def one(job: Job, by: User) -> str:
            made.append(services.rerun(job=job, by=by))
            return "queued again"

        made: list[Job] = []
        return self._bulk(
            request,
            queryset,
            name="rerun",
            fits=lambda job: job.is_terminal,
            one=one,
            show=_Shown(Status.QUEUED, jobs=made),
        )

    @admin.action(description="Delete…", permissions=["operate"])
    def delete_ended(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        reason = request.POST.get("reason", "").strip()[:200]

        def one(job: Job, by: User) -> str:
            services.delete(job=job, by=by, reason=reason)
            return "deleted"

        return self._bulk(
            request,
            queryset,
            name="delete",
            fits=lambda job: job.is_terminal,
            one=one,
            show=None,
        )

    @admin.action(description="Tag…", permissions=["operate"])
    def tag_selected(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        """Add tags, and take some away."""
        add = _tags(request.POST.get("add", ""))
        remove = set(_tags(request.POST.get("remove", "")))

        def one(job: Job, by: User) -> str:
            tags = [tag for tag in dict.fromkeys([*job.tags, *add]) if tag not in remove]
            now = services.edit_metadata(job=job, by=by, tags=tags)
            return "tagged" if now.last_seq != job.last_seq else "already so"

        show = _Shown(tag=add[0]) if add else None
        return self._bulk(request, queryset, name="tag", fits=lambda job: True, one=one, show=show)

    def _bulk(
        self,
        request: HttpRequest,
        queryset: QuerySet[Job],
        *,
        name: str,
        fits: Callable[[Job], bool],
        one: Callable[[Job, User], str],
        show: _Shown | None,
    ) -> HttpResponse | None:
        jobs = list(queryset.select_related("owner")[: MOST + 1])
        more, jobs = len(jobs) > MOST, jobs[:MOST]
        if "confirmed" not in request.POST:
            fitting = [job for job in jobs if fits(job)]
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": {"cancel": "Cancel jobs", "rerun": "Run jobs again"}.get(
                    name, f"{name.capitalize()} jobs"
                ),
                "bulk": name,
                "action": request.POST.get("action", ""),
                "jobs": fitting,
                "chips": [(console.chip(job), job) for job in fitting[:SHOWN]],
                "not_shown": max(0, len(fitting) - SHOWN),
                "left_alone": len(jobs) - len(fitting),
                "more": MOST if more else 0,
            }
            return TemplateResponse(request, "admin/jobs/job/bulk.html", context)
        outcome: Counter[str] = Counter()
        whys: Counter[str] = Counter()
        for job in jobs:
            try:
                outcome[one(job, cast(User, request.user))] += 1
            except PermissionDenied:
                outcome["not yours to change"] += 1
            except services.JobInUse:
                outcome["still needed by something else"] += 1
            except services.ActionRefused:
                outcome["already ended" if job.status in TERMINAL else "not ended yet"] += 1
            except services.UnknownKind:
                outcome["of an unknown kind"] += 1
            except (services.InvalidOptions, services.InvalidFields) as error:
                outcome["refused"] += 1
                whys[_words(error.errors)] += 1
        self._tell(request, outcome, whys, jobs=jobs, name=name, show=show, more=more)
        return None

    def _tell(
        self,
        request: HttpRequest,
        outcome: Counter[str],
        whys: Counter[str],
        *,
        jobs: list[Job],
        name: str,
        show: _Shown | None,
        more: bool,
    ) -> None:
        done = sum(outcome[word] for word in DONE)
        words = [word for word in (*DONE, *NOT_DONE) if outcome[word]]
        said = ", ".join(f"{outcome[word]} {word}" for word in words)
        text = f"Jobs: {said or 'none selected'}."
        if whys:
            text += f" Refused because: {whys.most_common(1)[0][0]}"
        if more:
            text += f" Only the first {MOST} of the selected ones were taken; do it again."
        level = messages.SUCCESS if done else messages.WARNING
        cast(Any, self).message_user(request, _with_link(text, jobs, name, show), level)


def _with_link(text: str, jobs: list[Job], name: str, show: _Shown | None) -> SafeString | str:
    """A message with the way to what it is about, where that is still there."""
    if name == "delete":
        return text
    about = jobs if show is None or show.jobs is None else show.jobs
    if len(about) == 1:
        url, word = reverse("admin:jobs_job_change", args=[about[0].pk]), "Open the job"
    elif show and about:
        url, word = show.link()
    else:
        return text
    return format_html('{} <a class="td-link" href="{}">{}</a>', text, url, word)


def _tags(text: str) -> list[str]:
    return [tag.strip() for tag in text.split(",") if tag.strip()]


def _words(errors: Any) -> str:
    parts = []
    for name, problem in dict(errors).items():
        texts = problem if isinstance(problem, list) else [problem]
        parts.append(f"{name}: {' '.join(str(text) for text in texts)}")
    return " ".join(parts)
