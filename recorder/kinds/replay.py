"""recorder.replay: run a recording's test again."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from jobs.models import Job
from jobs.registry import job_kind
from jobs.running import JobFailed, RunningJob


class Options(serializers.Serializer[Any]):
    session_id = serializers.UUIDField(help_text="The recording whose test is run.")
    timeout_s = serializers.IntegerField(
        default=600, min_value=10, max_value=3600, help_text="End the replay after this long."
    )
    slow_mo = serializers.IntegerField(
        default=0, min_value=0, max_value=5000, help_text="Milliseconds to wait at each action."
    )
    video = serializers.BooleanField(default=False, help_text="Needs ffmpeg.")
    trace = serializers.BooleanField(default=True)


def _page(job: Job) -> str:
    from recorder.models import RecordingSession

    seen = RecordingSession.objects.visible_to(job.owner)
    session = seen.filter(pk=job.options["session_id"]).only("pk").first()
    return session.page_url if session is not None else ""


@job_kind(
    "recorder.replay",
    options=Options,
    label="Replay a recording",
    queue="browser",
    isolated=True,
    imports=("recorder.verification",),
    max_attempts=1,  # what a test did to the site can not be undone or repeated
    timeout_s=3600 + 120,
    page=_page,
    page_label="Recording",
)
def run(job: RunningJob) -> Mapping[str, Any]:
    """Run a recording's test and set its verdict.

    Ends failed, with the outcome's code as reason, when the test does.
    """
    from django.contrib.auth.models import User

    from recorder.models import RecordingSession
    from recorder.steps import Step
    from recorder.vault import Vault
    from recorder.verification import verify

    options = job.options
    owner = User.objects.get(pk=job.owner_id)
    session = (
        RecordingSession.objects.visible_to(owner)
        .select_related("job")
        .filter(pk=options["session_id"])
        .first()
    )
    if session is None:
        raise JobFailed("session_not_found", "There is no such recording, or it is not yours.")
    if not session.code:
        raise JobFailed("nothing_to_replay", "This recording has no generated test.")
    kept = session.steps.filter(deleted_at__isnull=True)
    outcome = verify(
        job=job,
        session=session,
        code=session.code,
        steps=[Step.from_json(row.data) for row in kept],
        secrets=Vault.unsealed(session.secrets).values,
        timeout_s=options["timeout_s"],
        slow_mo_ms=options["slow_mo"],
        video=options["video"],
        trace=options["trace"],
    )
    job.metric("steps", len(outcome.steps))
    result = {"sessionId": str(session.pk), **outcome.as_json()}
    if not outcome.passed:
        raise JobFailed(outcome.code, outcome.reason, result=result)
    return result
