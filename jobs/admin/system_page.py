"""The System page: whether everything works, who works, what waits, and what it all runs on."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from jobs import access, console, drains, health, system
from jobs.models import Drain, Job, Worker
from jobs.services.refusals import ActionRefused, InvalidFields

STATES = {
    "idle": ("Idle", "ok"),
    "busy": ("Busy", "live"),
    "draining": ("Draining", "warn"),
    "drained": ("Drained", "warn"),
    "resuming": ("Resuming", "warn"),
    "silent": ("Silent", "bad"),
}


def show(request: HttpRequest) -> HttpResponse:
    """With `?live` only what moves: the page reads that part again and again."""
    if not access.may_see(request.user):
        raise PermissionDenied
    workers = system.workers()
    seen = set(
        Job.objects.visible_to(request.user)
        .filter(pk__in=[worker.job_id for worker in workers if worker.job_id])
        .values_list("pk", flat=True)
    )
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "System",
        "queues": [_queue(fact) for fact in system.queues(workers)],
        "clusters": [_cluster(fact, seen) for fact in system.clusters(workers)],
        "may_drain": access.is_admin(request.user),
    }
    if "live" not in request.GET:
        checks = health.checks()
        stored = system.storage()
        context |= {
            "checks": checks,
            "failing": sum(check.status == "fail" for check in checks),
            "warning": sum(check.status == "warn" for check in checks),
            "storage": stored,
            "used": _share(stored.free_bytes, stored.total_bytes),
            "quota_used": (
                round(100 * stored.artifact_bytes / stored.quota_bytes)
                if stored.quota_bytes
                else None
            ),
            "browser": system.browser(),
            "versions": system.versions(),
        }
    return TemplateResponse(request, "admin/jobs/system.html", context)


def drain_workers(request: HttpRequest) -> HttpResponse:
    """POST worker (its row's id), or queue and host."""
    by = cast(User, request.user)
    key = str(request.POST.get("worker", ""))
    worker = Worker.objects.filter(pk=int(key)).first() if key.isdigit() else None
    if key and worker is None:
        messages.warning(request, "This worker is gone already.")
        return redirect("console-system")
    try:
        row = drains.drain(
            by=by,
            worker=worker,
            queue=str(request.POST.get("queue", "")),
            host=str(request.POST.get("host", "")),
        )
    except (ActionRefused, InvalidFields) as error:
        messages.warning(request, str(error))
    else:
        text = f"{str(row).capitalize()}: finishes what it runs and takes no more."
        messages.success(request, text)
    return redirect("console-system")


def resume_workers(request: HttpRequest) -> HttpResponse:
    """POST drain (its row's id)."""
    key = str(request.POST.get("drain", ""))
    if not key.isdigit():
        raise Http404("A drain's id is a number.")
    row = Drain.objects.filter(pk=int(key)).first()
    if row is None:
        messages.warning(request, "It was resumed already.")
    else:
        text = f"{str(row).capitalize()}: takes jobs again."
        drains.resume(by=cast(User, request.user), drain=row)
        messages.success(request, text)
    return redirect("console-system")


def _queue(fact: system.QueueFact) -> dict[str, Any]:
    age = fact.oldest_age_s
    return {
        "fact": fact,
        "oldest": "–" if age is None else console.spell(age),
        "stuck": bool(fact.ready and not fact.workers_alive),
    }


def _cluster(fact: system.ClusterFact, seen: set[Any]) -> dict[str, Any]:
    visible = {str(key) for key in seen}
    return {
        "fact": fact,
        "heard": console.when(fact.seen_at),
        "workers": [
            {
                "fact": worker,
                "state": STATES[worker.state][0],
                "level": STATES[worker.state][1],
                "heard": console.when(worker.seen_at),
                "started": console.when(worker.started_at),
                "shows_job": worker.job_id in visible,
                # A drain of the whole cluster ends at the cluster.
                "own_drain": worker.drain_id if worker.drain_id != fact.drain_id else None,
            }
            for worker in fact.workers
        ],
    }


def _share(free: int | None, total: int | None) -> int | None:
    return round(100 * (total - free) / total) if free is not None and total else None
