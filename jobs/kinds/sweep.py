"""Kind `jobs.sweep`: remove what need not be kept any longer, and say what that freed."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.utils import timezone
from rest_framework import serializers

from jobs import access, audit, orphans, retention, tallies
from jobs.registry import job_kind
from jobs.retention import Swept
from jobs.running import JobFailed, RunningJob
from jobs.system import database_now


class Options(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField(
        default=False, help_text="Only say what would be deleted; delete nothing."
    )
    orphans = serializers.BooleanField(
        default=True, help_text="Also remove stored files that no row names (walks the storage)."
    )


@job_kind(
    "jobs.sweep",
    options=Options,
    label="Sweep: delete what its retention is over",
    upkeep="17 3 * * *",
    timeout_s=4 * 3600,
    max_attempts=3,
    concurrency=1,
)
def run(job: RunningJob) -> dict[str, Any]:
    """Delete ended jobs whose retention is over, and stored files that no row names."""
    owner = get_user_model().objects.get(pk=job.owner_id)
    if not access.is_admin(owner):
        raise JobFailed("not_allowed", "Only an admin's sweep may delete other people's jobs.")
    dry_run: bool = job.options["dry_run"]

    def report(kind: str, status: str, swept: Swept) -> None:
        job.event(
            "sweep.found" if dry_run else "sweep.deleted",
            kind=kind,
            status=status,
            jobs=swept.jobs,
            artifacts=swept.artifacts,
            sizeBytes=swept.size_bytes,
            inUse=len(swept.in_use),
        )

    tallies.count()  # what is deleted uncounted is lost to the metrics
    kinds = retention.sweep_jobs(
        by=owner, dry_run=dry_run, report=report, between=job.check_cancelled
    )
    stray = orphans.Removed()
    if job.options["orphans"]:
        stray = orphans.remove(now=database_now(), dry_run=dry_run, between=job.check_cancelled)
        if stray.files:
            job.event(
                "sweep.orphans_removed" if not dry_run else "sweep.orphans_found",
                files=stray.files,
                sizeBytes=stray.size_bytes,
            )
            if not dry_run:
                audit.record(
                    action="retention.delete_orphans",
                    by=owner,
                    data={"files": stray.files, "sizeBytes": stray.size_bytes},
                )
    runs = sessions = 0
    if not dry_run:
        runs = retention.forget_old_runs()
        sessions = Session.objects.filter(expire_date__lt=timezone.now()).delete()[0]
    jobs = sum(each.jobs for each in kinds.values())
    freed = sum(each.size_bytes for each in kinds.values()) + stray.size_bytes
    job.log(f"{'Would delete' if dry_run else 'Deleted'} {jobs} jobs; {freed} bytes.")
    return {
        "dryRun": dry_run,
        "jobsDeleted": jobs,
        "artifactsDeleted": sum(each.artifacts for each in kinds.values()),
        "bytesFreed": freed,
        "inUse": sum(len(each.in_use) for each in kinds.values()),
        "orphanFiles": stray.files,
        "orphanBytes": stray.size_bytes,
        "scheduleRunsForgotten": runs,
        "sessionsForgotten": sessions,
        "byKind": {
            name: {"jobs": each.jobs, "artifacts": each.artifacts, "bytes": each.size_bytes}
            for name, each in sorted(kinds.items())
        },
    }
