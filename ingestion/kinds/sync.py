"""ingestion.sync: bring what is indexed of a source up to date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from rest_framework import serializers

from jobs.models import Job
from jobs.registry import job_kind
from jobs.running import RunningJob

MODES = {
    "incremental": "What changed since the last sync",
    "full": "Everything again",
    "failures": "Only what failed",
}


class Options(serializers.Serializer[Any]):
    source_id = serializers.UUIDField(help_text="The source that is synced.")
    mode = serializers.ChoiceField(
        choices=list(MODES.items()),
        default="incremental",
        help_text="What is fetched: what changed, everything again, or only what failed.",
    )


def _page(job: Job) -> str:
    from ingestion.models import Source

    key = job.options.get("source_id")
    if not key or not Source.objects.visible_to(job.owner).filter(pk=key).exists():
        return ""
    return reverse("admin:ingestion_source_change", args=[str(key)])


@job_kind(
    "ingestion.sync",
    options=Options,
    label="Sync a source",
    isolated=True,
    imports=("ingestion.syncing", "ingestion.http_transport"),
    timeout_s=12 * 3600,
    max_attempts=5,
    page=_page,
    page_label="Source",
    reasons={
        "sync_running": "Another sync of the same source was at work.",
        "source_paused": "The source is paused.",
        "source_gone": "The source was deleted.",
        "all_failed": "Not one document could be had.",
    },
)
def run(job: RunningJob) -> Mapping[str, Any]:
    """Fetch what is new at a source, index it, and remove what it does not have any more.

    One at a time for each source. What was indexed stays when the sync is cut short; the next
    attempt goes on from there.
    """
    from ingestion.syncing import Sync

    return Sync(job=job, mode=job.options["mode"]).run()
