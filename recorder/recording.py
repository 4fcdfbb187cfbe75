"""What a recording's job does around the live session: save, scrub, generate, verify, salvage."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from jobs import artifacts
from jobs.artifacts import ArtifactExists
from jobs.models import Artifact, Job
from jobs.running import Cancelled, JobFailed, RunningJob, workdir_of
from jobs.secrets import unseal
from recorder import codegen
from recorder.models import RecordingSession, Step
from recorder.scrub import scrub_tree
from recorder.session.saving import files_of
from recorder.session_bridge import SessionProcess, vault_key
from recorder.steps import Step as TypedStep
from recorder.vault import Vault, VaultUnreadable, option_secrets, secret_name
from recorder.verification import verify

log = logging.getLogger(__name__)

AUTH_STATE = codegen.AUTH_STATE


def record(*, job: RunningJob) -> Mapping[str, Any]:
    """Run one recording to its end; the result of its job.

    :raises JobFailed: with the session's reason, `nothing_recorded` or `not_verified`.
    :raises Cancelled: after what there was is kept.
    """
    session = RecordingSession.objects.get(job_id=job.id)
    storage_state = _auth_state(job)
    live_key = token_urlsafe(32)
    with job.fenced():
        RecordingSession.objects.filter(pk=session.pk).update(phase=RecordingSession.Phase.STARTING)
    process = SessionProcess(job=job, session=session, live_key=live_key)
    process.start(storage_state=storage_state)
    code = process.watch()
    job.metric("steps", session.steps.filter(deleted_at=None).count())
    with job.fenced():
        RecordingSession.objects.filter(pk=session.pk).update(live_address="")
    flow = _Flow(job=job, session=session, key=vault_key(live_key))
    flow.keep()
    if process.cancelled:
        flow.phase(RecordingSession.Phase.ENDED)
        raise Cancelled("The recording was cancelled.")
    if process.failure is not None or not process.saved:
        flow.phase(RecordingSession.Phase.ENDED)
        reason, message = process.failure or (
            "session_lost",
            f"The session's process ended without a word (exit code {code}).",
        )
        raise JobFailed(reason, message, result=flow.result())
    if not flow.recorded:
        # An empty test passes; that would verify nothing.
        flow.phase(RecordingSession.Phase.ENDED)
        raise JobFailed("nothing_recorded", "No step was recorded.", result=flow.result())
    if job.options.get("verify", True):
        flow.verify()
    flow.phase(RecordingSession.Phase.ENDED)
    return flow.result()


class _Flow:
    """The steps of a session that has ended, and what is made of them."""

    def __init__(self, *, job: RunningJob, session: RecordingSession, key: str) -> None:
        self._job = job
        self._session = session
        self._rows = list(session.steps.filter(deleted_at__isnull=True))
        self.steps = [TypedStep.from_json(row.data) for row in self._rows]
        self._vault = _vault(job.workdir, key)
        self._options = dict(job.options)
        self._wordings = {row.key: row.wording for row in self._rows if row.wording}
        self.recorded = any(not step.flags for step in self.steps)
        self.code = ""

    def keep(self) -> None:
        """Scrub, generate, and store every file and the session's row."""
        folder = self._job.workdir
        if not (folder / "steps.json").exists():
            _write_steps(folder, self._session)
        _scrub(folder, {**self._vault.values, **option_secrets(self._options)}, self._job)
        kinds = dict(files_of(folder))
        self.code = codegen.generate(
            steps=self.steps,
            flow_name=self._session.flow_name,
            url=self._session.url,
            options=self._options,
            wordings=self._wordings,
        )
        used = {name for step in self.steps for name in _secrets_of(step)}
        self._vault.keep_only(used)
        with self._job.fenced():
            RecordingSession.objects.filter(pk=self._session.pk).update(
                code=self.code, secrets=self._vault.sealed()
            )
        for path, kind in kinds.items():
            self._job.artifact(path, folder / path, kind=kind)
        name = codegen.file_name(self._session.flow_name)
        self._job.artifact(name, self.code.encode(), kind="test", content_type="text/x-python")
        if (folder / AUTH_STATE).exists():
            self._job.artifact(AUTH_STATE, folder / AUTH_STATE, kind="storage_state")

    def phase(self, phase: RecordingSession.Phase) -> None:
        with self._job.fenced():
            RecordingSession.objects.filter(pk=self._session.pk).update(phase=phase)
        with suppress(Cancelled):
            self._job.event("session.phase_changed", phase=str(phase))

    def verify(self) -> None:
        """Replay what was generated, and write the verdict.

        :raises JobFailed: `not_verified`.
        :raises Cancelled: the job is to end; there is no verdict then.
        """
        self.phase(RecordingSession.Phase.VERIFYING)
        outcome = verify(
            job=self._job,
            session=self._session,
            code=self.code,
            steps=self.steps,
            secrets=self._vault.values,
        )
        if not outcome.passed:
            self.phase(RecordingSession.Phase.ENDED)
            raise JobFailed("not_verified", outcome.reason, result=self.result())

    def result(self) -> dict[str, Any]:
        self._session.refresh_from_db()
        return {
            "sessionId": str(self._session.pk),
            "steps": len(self.steps),
            "verdict": self._session.verdict,
            "failingStep": self._session.failing_step,
        }


def salvage(*, job: Job, attempt: int) -> None:
    """Keep what a dead attempt left: steps from their rows, pictures, snapshots, console."""
    session = RecordingSession.objects.filter(job_id=job.pk).first()
    folder = workdir_of(job_id=job.pk, attempt=attempt)
    if session is None or not folder.is_dir():
        return
    _write_steps(folder, session)
    key = vault_key(str(unseal(session.live_key))) if session.live_key else ""
    secrets = {**_vault(folder, key).values, **option_secrets(unseal(job.options))}
    _scrub(folder, secrets, None)
    for path, kind in files_of(folder):
        # A trace or HAR that was being written when the end came is no trace or HAR.
        if path in {"trace.zip", "network.har"} and not _is_whole(folder / path):
            continue
        with suppress(ArtifactExists):
            artifacts.add(
                job_id=job.pk,
                attempt=attempt,
                path=path,
                source=folder / path,
                kind=kind,
                inside=folder,
            )
    RecordingSession.objects.filter(pk=session.pk).update(
        phase=RecordingSession.Phase.ENDED, live_address=""
    )


def _auth_state(job: RunningJob) -> str:
    """The path of an earlier session's storage state, "" where none was asked for.

    :raises JobFailed: `auth_state_missing`: not this owner's, or it kept none.
    """
    wanted = job.options.get("auth_state")
    if not wanted:
        return ""
    kept = Artifact.objects.filter(
        job__recording__pk=wanted,
        job__recording__owner_id=job.owner_id,
        path="storage_state.json",
        visible=True,
    ).first()
    if kept is None:
        raise JobFailed(
            "auth_state_missing",
            "authState: no recording of yours with this id has kept a storage state.",
        )
    target = job.workdir / AUTH_STATE
    with artifacts.open_artifact(kept) as source:
        target.write_bytes(source.read())
    return str(target)


def _vault(folder: Path, key: str) -> Vault:
    path = folder / "vault"
    if not key or not path.exists():
        return Vault()
    try:
        return Vault.read(path, key=key)
    except VaultUnreadable:
        log.exception("The secrets of %s can not be read.", folder)
        raise


def _scrub(folder: Path, secrets: Mapping[str, str], job: RunningJob | None) -> None:
    # Without secrets too: cookies and credentials go from HAR and trace in any case.
    report = scrub_tree(folder, {value for value in secrets.values() if value})
    if job is not None:
        job.log(f"Secrets scrubbed: {report.total} places in {len(report.replaced)} files.")
        for warning in report.warnings:
            job.log(f"Scrubbing: {warning}")


def _secrets_of(step: TypedStep) -> set[str]:
    return {name for value in step.params.values() if (name := secret_name(value))}


def _write_steps(folder: Path, session: RecordingSession) -> None:
    rows = Step.objects.filter(session=session)
    steps = [
        {
            "step": row.data,
            "position": row.position,
            "wording": row.wording,
            "deleted": row.deleted_at is not None,
        }
        for row in rows
    ]
    (folder / "steps.json").write_text(json.dumps({"session": str(session.pk), "steps": steps}))


def _is_whole(path: Path) -> bool:
    import zipfile

    if path.suffix == ".zip":
        return zipfile.is_zipfile(path)
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True
