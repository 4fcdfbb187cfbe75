"""What the recordings' pages show, worked out for the templates."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from jobs.console import reason_words
from jobs.events import time_dto
from jobs.models import Artifact, Status
from recorder.dto import artifact_url, session_detail_dto, viewer_url
from recorder.models import RecordingSession

LABELS = {
    "queued": "Queued",
    "starting": "Starting",
    "recording": "Recording",
    "paused": "Paused",
    "saving": "Saving",
    "verifying": "Verifying",
    "ended": "Ending",
    "verified": "Verified",
    "not_verified": "Does not replay",
    "saved": "Not verified",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
LIVE = {"starting", "recording", "paused", "saving", "verifying", "ended"}
# Files first that a person opens.
TRACE, FAILURE = "replay/trace.zip", "replay/failure.png"
ARTIFACT_ORDER = ("test", "trace", "video", "har", "console", "steps", "metadata", "storage_state")


def chip(session: RecordingSession) -> str:
    state = str(session.state)
    return format_html(
        '<recording-state data-session="{}" data-job="{}" data-state="{}" class="td-state td-state-{}">{}</recording-state>',
        session.pk,
        session.job_id,
        state,
        state,
        LABELS[state],
    )


def verdict_line(session: RecordingSession) -> str:
    """The verdict in a few words, for a line of the list."""
    if session.verdict == RecordingSession.Verdict.VERIFIED and session.verified_at:
        return format_html("<span>Replayed {}</span>", when(session.verified_at))
    if session.verdict == RecordingSession.Verdict.FAILED:
        step = f"Step {session.failing_step}: " if session.failing_step else ""
        return format_html(
            '<span class="td-clamp" title="{0}">{0}</span>', step + session.verdict_reason
        )
    if session.job.status == Status.FAILED:
        return format_html('<span class="td-clamp" title="{0}">{0}</span>', session.job.error)
    if not session.job.is_terminal:
        return "—"
    return "Not replayed since its last change" if session.verdict_reason else "—"


def when(at: datetime) -> str:
    """A relative time; the element keeps it right and says the absolute one on hover."""
    return format_html(
        '<td-time datetime="{}">{}</td-time>',
        time_dto(at),
        timezone.localtime(at).strftime("%Y-%m-%d %H:%M"),
    )


def session_context(session: RecordingSession) -> dict[str, Any]:
    detail = session_detail_dto(session)
    own = reverse("admin:recorder_recordingsession_change", args=[session.pk])
    config = {
        "sessionId": str(session.pk),
        "jobId": str(session.job_id),
        "apiUrl": reverse("api-recorder-session", args=[session.pk]),
        "liveUrl": f"/ws/recorder/sessions/{session.pk}/live",
        "jobsUrl": f"/ws/jobs/?job={session.job_id}",
        "jobPage": reverse("admin:jobs_job_change", args=[session.job_id]),
        "pageUrl": own,
        "detail": detail,
    }
    context: dict[str, Any] = {
        "session": session,
        "detail": detail,
        "config": config,
        "state": session.state,
        "state_label": LABELS[str(session.state)],
        "job_page": config["jobPage"],
        "owner_name": session.owner.get_username(),
    }
    if session.job.is_terminal:
        context |= _ended(session, detail)
    return context


def _ended(session: RecordingSession, detail: dict[str, Any]) -> dict[str, Any]:
    artifacts = sorted(detail["artifacts"], key=_artifact_rank)
    paths = {artifact["path"] for artifact in artifacts}
    main = [artifact for artifact in artifacts if not _is_one_of_many(artifact["path"])]
    many = [artifact for artifact in artifacts if _is_one_of_many(artifact["path"])]
    failing = next(
        (
            step
            for step in detail["steps"]
            if step["number"] is not None and step["number"] == session.failing_step
        ),
        None,
    )
    of_replays = _files_of_replays(detail["replays"])
    replays = [{**job, "traceUrl": of_replays.get((job["id"], TRACE))} for job in detail["replays"]]
    # Of the newest verification: a replay's, else the recording's own.
    newest = next((job["id"] for job in replays if job["status"] in {"succeeded", "failed"}), "")
    own = {artifact["path"]: artifact["url"] for artifact in artifacts}
    picture = of_replays.get((newest, FAILURE)) if newest else own.get(FAILURE)
    picture = picture or (failing["screenshotUrl"] if failing else None)
    return {
        "banner": _banner(session, failing, detail),
        "poster": next(
            (step["screenshotUrl"] for step in detail["steps"] if step["screenshotUrl"]), None
        ),
        "replays": replays,
        "failing": failing,
        "failing_picture": picture if session.verdict == RecordingSession.Verdict.FAILED else None,
        "main_artifacts": main,
        "many_artifacts": many,
        "total_bytes": sum(artifact["sizeBytes"] for artifact in artifacts),
        "videos": [a for a in artifacts if a["contentType"].startswith("video/")],
        "traces": [
            {"path": path, "url": viewer_url(artifact_url(session, path)), "label": label}
            for path, label in _traces(paths)
        ],
        "console_url": artifact_url(session, "console.jsonl") if "console.jsonl" in paths else None,
        "code_filename": next(
            (a["path"] for a in artifacts if re.fullmatch(r"test_[^/]*\.py", a["path"])),
            f"test_{re.sub(r'[^a-z0-9]+', '_', session.flow_name.lower()).strip('_') or 'flow'}.py",
        ),
        "kept_steps": [step for step in detail["steps"] if step["deletedAt"] is None],
    }


def _files_of_replays(replays: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """(job id, path) → the trace viewer on a replay's trace, or the picture of its failure."""
    found = {}
    stored = Artifact.objects.filter(
        job_id__in=[job["id"] for job in replays], path__in=[TRACE, FAILURE], visible=True
    )
    for artifact in stored:
        url = reverse("api-job-artifact", args=[artifact.job_id, artifact.path])
        shown = viewer_url(url) if artifact.path == TRACE else url
        found[str(artifact.job_id), artifact.path] = shown
    return found


# What a recording that broke off means to its operator: (title, what to do next).
_BROKE = {
    "nothing_recorded": (
        "Nothing was recorded",
        "Record again, and do in the live view what the test shall do before you stop.",
    ),
    "url_unreachable": (
        "The address could not be reached",
        "Check that the site is up and that this machine can reach it, then record again.",
    ),
    "url_refused": (
        "The address is refused",
        "The egress policy of this console does not allow it. Record another address, or ask an administrator to allow this one.",
    ),
    "browser_crashed": (
        "The browser ended unexpectedly",
        "Record again; if it happens again, the job's log says more.",
    ),
    "browser_not_started": ("The browser did not start", "The job's log says more."),
    "browser_not_found": ("No browser was found", "Install one as said above, then record again."),
    "session_lost": ("The recording broke off", "Record again; the job's log says more."),
    "crashed": ("The recording broke off", "Record again; the job's log says more."),
    "worker_lost": (
        "The worker was lost",
        "Its machine or process ended while it recorded. Record again.",
    ),
    "timed_out": (
        "The recording took longer than it may",
        "Record again, in shorter parts or with a longer limit.",
    ),
    "storage_full": ("No space was left", "Free some disk space, then record again."),
    "auth_state_missing": (
        "There is no such signed-in state",
        "Choose another one under “Start signed in as”, then record again.",
    ),
}


def _kept(detail: dict[str, Any]) -> str:
    """What is left of a recording that did not end as it should."""
    steps, files = len(detail["steps"]), len(detail["artifacts"])
    counted = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((steps, "step"), (files, "file"))
        if count
    ]
    if not counted:
        return "Nothing was recorded before that."
    return f"{' and '.join(counted)} recorded until then are kept below; they were not verified."


def _banner(
    session: RecordingSession, failing: dict[str, Any] | None, detail: dict[str, Any]
) -> dict[str, str]:
    job = session.job
    match session.state:
        case "verified":
            return {
                "kind": "verified",
                "icon": "verified",
                "title": "Verified",
                "text": "The generated test replayed every step.",
            }
        case "not_verified":
            number = session.failing_step
            where = f"Step {number} fails" if number else "The test does not replay"
            if failing:
                where = f"Step {number} fails: {failing['wording']}"
            return {
                "kind": "failed",
                "icon": "error",
                "title": where,
                "text": session.verdict_reason or job.error,
            }
        case "cancelled":
            return {
                "kind": "cancelled",
                "icon": "cancel",
                "title": "Cancelled",
                "text": f"{reason_words(job.reason)} {_kept(detail)}",
            }
        case "failed":
            title, then = _BROKE.get(
                job.reason, ("The recording failed", "The job's log says more.")
            )
            what = (job.error or reason_words(job.reason)).strip()
            return {
                "kind": "failed",
                "icon": "error",
                "title": title,
                "text": f"{what}\n{_kept(detail)} {then}",
            }
    return {
        "kind": "unverified",
        "icon": "help",
        "title": "Not verified",
        "text": f"{session.verdict_reason} Replay it to know whether it still holds.".strip(),
    }


def _artifact_rank(artifact: dict[str, Any]) -> tuple[int, str]:
    kind = artifact["kind"]
    for rank, start in enumerate(ARTIFACT_ORDER):
        if kind.startswith(start):
            return rank, artifact["path"]
    return len(ARTIFACT_ORDER), artifact["path"]


def _is_one_of_many(path: str) -> bool:
    return path.startswith(("steps/", "dom/", "uploads/"))


def _traces(paths: set[str]) -> list[tuple[str, str]]:
    known = [
        ("trace.zip", "Trace of the recording"),
        (TRACE, "Trace of the verification"),
    ]
    return [(path, label) for path, label in known if path in paths]
