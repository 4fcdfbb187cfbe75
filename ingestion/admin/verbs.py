"""The buttons on a source's page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html

from ingestion import connectors, removal, sources
from ingestion.models import Source
from jobs.models import Job
from jobs.registry import ActionRefused


@dataclass(frozen=True)
class Verb:
    """A button. `sure`: what is asked before it is done, empty for what can be taken back."""

    word: str
    icon: str
    about: str
    run: Callable[[Source, Any], Any]
    sure: str = ""


def _sync(mode: str) -> Callable[[Source, Any], Any]:
    return lambda source, by: sources.sync(source=source, by=by, mode=mode)


VERBS: Mapping[str, Verb] = {
    "sync": Verb(
        "Sync now", "sync", "Fetch what changed since the last sync", _sync("incremental")
    ),
    "failures": Verb("Retry failures", "replay", "Fetch only what failed", _sync("failures")),
    "full": Verb("Full resync", "restart_alt", "Fetch everything again", _sync("full")),
    "pause": Verb(
        "Pause",
        "pause",
        "No sync begins any more; searches go on",
        lambda source, by: sources.pause(source=source, by=by),
    ),
    "resume": Verb(
        "Resume",
        "play_arrow",
        "Syncs may begin again",
        lambda source, by: sources.resume(source=source, by=by),
    ),
    "empty": Verb(
        "Empty",
        "layers_clear",
        "Remove its documents from the index, and keep the source",
        lambda source, by: removal.empty(source=source, by=by),
        "Every document and chunk of it is removed. The next sync brings back what there is then.",
    ),
    "delete": Verb(
        "Delete",
        "delete",
        "Delete it with all it brought",
        lambda source, by: removal.delete(source=source, by=by),
        "The source is deleted with every document and chunk that it brought, and its schedule. "
        "This can not be taken back.",
    ),
}


class SourceVerbs:
    """Mixed into the admin of sources."""

    one: Callable[..., Source]

    def verbs_of(self, source: Source, held: Mapping[str, int]) -> list[dict[str, Any]]:
        """What can be done with the source as it stands, the most wanted first."""
        job = source.sync_job
        at_work = job is not None and not job.is_terminal
        syncable = source.kind in connectors.all_connectors()
        names = []
        if not at_work and not source.deleting:
            if syncable and not source.paused:
                names += ["sync", *(["failures"] if held["failed"] else []), "full"]
            if syncable:
                names.append("resume" if source.paused else "pause")
            if held["documents"]:
                names.append("empty")
        elif syncable and not source.deleting:
            names.append("resume" if source.paused else "pause")
        if not (source.deleting and at_work):
            names.append("delete")
        return [
            {
                "name": name,
                "verb": VERBS[name],
                "url": reverse("admin:ingestion_source_do", args=[source.pk, name]),
                "first": number == 0 and name in {"sync", "resume"},
            }
            for number, name in enumerate(names)
        ]

    def do_view(self, request: HttpRequest, key: UUID, verb: str) -> HttpResponse:
        if verb not in VERBS:
            raise Http404(f"There is no verb {verb!r}.")
        source = self.one(request, key)
        try:
            done = VERBS[verb].run(source, request.user)
        except ActionRefused as error:
            messages.error(request, str(error))
            return redirect("admin:ingestion_source_change", source.pk)
        if isinstance(done, Job):
            url = reverse("admin:jobs_job_change", args=[done.pk])
            messages.success(
                request, format_html('Queued: <a class="td-link" href="{}">{}</a>', url, done)
            )
        elif verb == "empty":
            messages.success(request, f"Removed {done:,} document{'' if done == 1 else 's'}.")
        elif verb == "delete":
            messages.success(request, f"Deleted {source.name} with all it brought.")
            return redirect("admin:ingestion_source_changelist")
        return redirect("admin:ingestion_source_change", source.pk)
