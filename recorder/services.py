"""The verbs of recordings: start, stop, replay, and change the steps of one that has ended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace as replaced
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from jobs import access, audit, registry
from jobs import services as jobs
from jobs.egress import EgressRefused, Policy
from jobs.models import Job, Status
from jobs.registry import ActionRefused, InvalidOptions
from recorder import codegen, knowledge, selectors
from recorder.models import RecordingSession, Step
from recorder.steps import Step as TypedStep

RECORD = "recorder.record"
REPLAY = "recorder.replay"
WORDING_MAX = 300
# Actions whose text a person may correct after the recording, and the param that holds it.
TEXT_OF = {
    "fill": "text",
    "assert_text": "text",
    "assert_value": "text",
    "assert_url": "url",
    "navigate": "url",
}


class UrlRefused(Exception):
    """The egress policy does not let a browser open this address; `code` says by which rule."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class SessionEnded(Exception):
    """This recording has ended already; there is nothing to stop."""


class SessionRunning(Exception):
    """This recording has not ended yet; change its steps in the live view."""


class NothingToReplay(Exception):
    """This recording has no generated test; record at least one step first."""


class UnknownStep(Exception):
    """This recording has no such step."""


class InvalidEdit(Exception):
    """The change does not fit the step; `errors` maps each field to its messages."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__(str(dict(errors)))
        self.errors = dict(errors)


@audit.command("recording.start")
def start_session(
    *,
    url: str,
    flow_name: str,
    options: Mapping[str, Any],
    by: User,
    preset: str | None = None,
) -> RecordingSession:
    """Queue a recording of `url`; the session and its job commit together.

    What `options` says wins over the options of `preset`, one of the kind's, by name.

    :raises NotAllowed: `by` is no operator.
    :raises UrlRefused: by the egress policy, before anything is written.
    :raises UnknownPreset: there is none of this name.
    :raises InvalidOptions: `.errors` maps each field to its messages.
    """
    access.check_may_do(by=by)
    try:
        Policy.from_settings().check_url(url)
    except EgressRefused as refused:
        if preset is None:
            _check_options(options, of_url=refused.message)
        raise UrlRefused(refused.code, refused.message) from refused
    job = jobs.submit(
        kind=RECORD, options=options, by=by, name=flow_name, preset=preset, by_kind=True
    )
    return RecordingSession.objects.create(
        job=job, owner=by, flow_name=flow_name, url=url, created_at=job.created_at
    )


def _check_options(options: Mapping[str, Any], *, of_url: str) -> None:
    """:raises InvalidOptions: they do not fit; it tells what is wrong with the address as well."""
    try:
        registry.get(RECORD).clean(options)
    except InvalidOptions as invalid:
        raise InvalidOptions({"url": [of_url], **invalid.errors}) from invalid


def record_again(*, original: Job, child: Job) -> RecordingSession:
    """The session of a rerun: the same page and flow, recorded anew by the child's owner.

    :raises ActionRefused: the original has no session, or its page may not be opened any more.
    """
    before = RecordingSession.objects.filter(job=original).first()
    if before is None:
        raise ActionRefused("This job has no recording to repeat; start a new one.")
    try:
        Policy.from_settings().check_url(before.url)
    except EgressRefused as refused:
        raise ActionRefused(refused.message) from refused
    return RecordingSession.objects.create(
        job=child,
        owner=child.owner,
        flow_name=child.name[:200],
        url=before.url,
        created_at=child.created_at,
    )


@audit.command("recording.stop", target="session")
def request_stop(*, session: RecordingSession, by: User) -> RecordingSession:
    """Ask the recording to stop and save. A second request changes nothing and answers the same.

    A recording that no worker has claimed yet has nothing to save: its job is cancelled.

    :raises NotAllowed: the recording is not for `by` to change.
    :raises SessionEnded: it ended by itself, without anyone having asked.
    """
    access.check_may_change(job=session.job, by=by)
    # The job first, as its worker does: one order of locks.
    job = Job.objects.select_for_update().get(pk=session.job_id)
    now = timezone.now()
    asked = RecordingSession.objects.filter(pk=session.pk, stop_requested_at__isnull=True)
    if job.is_terminal:
        if asked.exists():
            raise SessionEnded(SessionEnded.__doc__)
    elif asked.update(stop_requested_at=now, stop_requested_by=by) and job.status == Status.QUEUED:
        jobs.cancel(job=job, by=by, reason="Stopped before it started.")
    session.refresh_from_db()
    return session


@audit.command("recording.replay", target="session")
def replay(*, session: RecordingSession, by: User) -> Job:
    """Queue a replay of the session's test, as a child of the recording's job.

    :raises NotAllowed: `by` is no operator, or may not see the recording.
    :raises SessionRunning: it has not ended yet.
    :raises NothingToReplay: nothing was generated.
    """
    access.check_may_run_again(job=session.job, by=by)
    _refuse_running(session)
    if not session.code:
        raise NothingToReplay(NothingToReplay.__doc__)
    return jobs.submit(
        kind=REPLAY,
        options={"session_id": str(session.pk)},
        by=by,
        name=session.flow_name,
        parent=session.job,
    )


@audit.command("recording.edit_step", target="session", says=("key",))
def edit_step(
    *,
    session: RecordingSession,
    key: str,
    by: User,
    wording: str | None = None,
    selector: str | None = None,
    text: str | None = None,
) -> Step:
    """Reword a step, find its element another way, or correct its text; None leaves it as it is.

    A new locator or text makes another test: its verdict is unverified until it was replayed.
    New words change only the comment.

    :raises NotAllowed: the recording is not for `by` to change.
    :raises SessionRunning: it has not ended yet.
    :raises UnknownStep: no step has this key.
    :raises InvalidEdit: the locator does not parse, or the step has no such text.
    """
    session = _locked(session, by)
    row = _row(session, key)
    errors: dict[str, list[str]] = {}
    step = TypedStep.from_json(row.data)
    if selector is not None and selector != step.selector:
        if not step.selector:
            errors["selector"] = ["This step acts on no element."]
        else:
            try:
                selectors.to_python(selectors.parse_selector(selector))
            except ValueError as error:
                errors["selector"] = [str(error)]
        others = tuple(other for other in (step.selector, *step.alternatives) if other != selector)
        step = replaced(step, selector=selector, alternatives=others)
    if text is not None:
        param = TEXT_OF.get(step.action)
        if param is None:
            errors["text"] = ["This step has no text."]
        elif isinstance(step.params.get(param), dict):
            errors["text"] = ["This text is a secret; record it again to change it."]
        elif param == "url" and step.action == "navigate":
            errors |= _refused_url(text)
            step = replaced(step, params={**step.params, param: text})
        else:
            step = replaced(step, params={**step.params, param: text})
    if wording is not None:
        wording = re.sub(r"\s+", " ", wording).strip()
        if len(wording) > WORDING_MAX:
            errors["wording"] = [f"At most {WORDING_MAX} characters."]
        row.wording = wording
    if errors:
        raise InvalidEdit(errors)
    changed = step.as_json() != TypedStep.from_json(row.data).as_json()
    row.data = step.as_json()
    row.save(update_fields=["data", "wording"])
    _regenerate(session, f"Step {row.position} was changed since." if changed else "", by)
    return row


@audit.command("recording.delete_step", target="session", says=("key",))
def delete_step(*, session: RecordingSession, key: str, by: User) -> Step:
    """Take a step out of the test; it can be restored. Deleting it twice changes nothing.

    :raises NotAllowed: the recording is not for `by` to change.
    :raises SessionRunning: it has not ended yet.
    :raises UnknownStep: no step has this key.
    """
    session = _locked(session, by)
    row = _row(session, key)
    if row.deleted_at is None:
        row.deleted_at = timezone.now()
        row.save(update_fields=["deleted_at"])
        _regenerate(session, f"Step {row.position} was deleted since.", by)
    return row


@audit.command("recording.restore_step", target="session", says=("key",))
def restore_step(*, session: RecordingSession, key: str, by: User) -> Step:
    """Put a deleted step back in its place. Restoring it twice changes nothing.

    :raises NotAllowed: the recording is not for `by` to change.
    :raises SessionRunning: it has not ended yet.
    :raises UnknownStep: no step has this key.
    """
    session = _locked(session, by)
    row = _row(session, key)
    if row.deleted_at is not None:
        row.deleted_at = None
        row.save(update_fields=["deleted_at"])
        _regenerate(session, f"Step {row.position} was restored since.", by)
    return row


def _refused_url(url: str) -> dict[str, list[str]]:
    try:
        Policy.from_settings().check_url(url)
    except EgressRefused as refused:
        return {"text": [refused.message]}
    return {}


def _locked(session: RecordingSession, by: User) -> RecordingSession:
    access.check_may_change(job=session.job, by=by)
    session = (
        RecordingSession.objects.select_for_update(of=("self",))
        .select_related("job", "owner")
        .get(pk=session.pk)
    )
    _refuse_running(session)
    return session


def _refuse_running(session: RecordingSession) -> None:
    if not session.job.is_terminal:
        raise SessionRunning(SessionRunning.__doc__)


def _row(session: RecordingSession, key: str) -> Step:
    try:
        return session.steps.get(key=key)
    except Step.DoesNotExist as error:
        raise UnknownStep(UnknownStep.__doc__) from error


def _regenerate(session: RecordingSession, why: str, by: User) -> None:
    """New code from the steps that are left; `why` says why the old verdict no longer holds."""

    kept = list(session.steps.filter(deleted_at__isnull=True))
    session.code = codegen.generate(
        steps=[TypedStep.from_json(row.data) for row in kept],
        flow_name=session.flow_name,
        url=session.url,
        options=session.job.options,
        wordings={row.key: row.wording for row in kept if row.wording},
    )
    fields = ["code"]
    if why:
        session.verdict = RecordingSession.Verdict.UNVERIFIED
        session.verdict_reason = f"{why} ({by.get_username()})"
        session.failing_step = None
        session.verified_at = None
        fields += ["verdict", "verdict_reason", "failing_step", "verified_at"]
        knowledge.forget(session=session)
    session.save(update_fields=fields)
