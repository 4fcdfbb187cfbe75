"""Draining and resuming workers, from their list; and the list of what is drained."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest

from jobs import access, console, drains, system
from jobs.admin.base import Empty, ReadOnly
from jobs.models import Drain, Worker
from jobs.services.refusals import ActionRefused, InvalidFields

STATE_WORDS = {
    "idle": "Idle",
    "busy": "Busy",
    "draining": "Draining: takes no more once it has heard of it",
    "drained": "Drained: takes no jobs",
    "resuming": "Resuming",
    "silent": "Silent",
}


def _try(request: HttpRequest, what: object, word: str, verb: Callable[[], object]) -> None:
    try:
        verb()
    except (ActionRefused, PermissionDenied, InvalidFields) as error:
        messages.error(request, f"{what}: {error}")
    else:
        messages.success(request, f"{what}: {word}")


class DrainsWorkers(ReadOnly):
    """The actions that the list of workers has besides."""

    def has_drain_permission(self, request: HttpRequest) -> bool:
        return access.is_admin(request.user)

    @admin.action(description="Drain these workers", permissions=["drain"])
    def drain_workers(self, request: HttpRequest, queryset: QuerySet[Worker]) -> None:
        by = cast(User, request.user)
        for worker in queryset:
            _try(
                request,
                worker,
                "draining; it finishes its job and takes no more.",
                lambda worker=worker: drains.drain(by=by, worker=worker),  # type: ignore[misc]
            )

    @admin.action(description="Drain their whole clusters", permissions=["drain"])
    def drain_clusters(self, request: HttpRequest, queryset: QuerySet[Worker]) -> None:
        by = cast(User, request.user)
        for queue, host in sorted(set(queryset.values_list("queue", "host"))):
            _try(
                request,
                f"Queue {queue} on {host}",
                "draining; its workers finish their jobs and take no more.",
                lambda queue=queue, host=host: drains.drain(by=by, queue=queue, host=host),  # type: ignore[misc]
            )

    @admin.action(description="Resume these workers", permissions=["drain"])
    def resume_workers(self, request: HttpRequest, queryset: QuerySet[Worker]) -> None:
        by = cast(User, request.user)
        rows = list(Drain.objects.all())
        ended: set[int] = set()
        for worker in queryset:
            covering = [
                row
                for row in rows
                if system.covering(
                    queue=worker.queue, host=worker.host, worker=worker.name, drains=[row]
                )
            ]
            if not covering:
                messages.warning(request, f"{worker}: is not drained.")
            for row in covering:
                if row.pk not in ended:
                    ended.add(row.pk)
                    _try(
                        request,
                        str(row).capitalize(),
                        "resumed.",
                        lambda row=row: drains.resume(by=by, drain=row),  # type: ignore[misc]
                    )


@admin.register(Drain)
class DrainAdmin(ReadOnly):
    """What is drained now; to resume is to end the drain."""

    empty = Empty(
        icon="memory",
        title="No worker is drained",
        text="A drained worker ends its job and takes no more, so that its machine can be stopped.",
        button="Workers",
        link="admin:jobs_worker_changelist",
    )

    list_display = ("what", "reason", "by", "asked")
    list_display_links = None
    list_select_related = ("by",)
    paginator = console.CappedPaginator
    show_facets = admin.ShowFacets.NEVER
    actions = ("resume",)

    def has_drain_permission(self, request: HttpRequest) -> bool:
        return access.is_admin(request.user)

    @admin.display(description="Drained")
    def what(self, row: Drain) -> str:
        return str(row).capitalize()

    @admin.display(description="Since")
    def asked(self, row: Drain) -> str:
        return console.when(row.asked_at)

    @admin.action(description="Resume", permissions=["drain"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Drain]) -> None:
        for row in queryset:
            _try(
                request,
                str(row).capitalize(),
                "resumed.",
                lambda row=row: drains.resume(by=cast(User, request.user), drain=row),  # type: ignore[misc]
            )
