"""What a kind's `run` is given: the job as the attempt that owns it sees it."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from jobs import artifacts, events, statements
from jobs.events import Superseded
from jobs.models import Artifact, Job

__all__ = ["Cancelled", "JobFailed", "RunningJob", "Superseded", "workdir_of"]

log = logging.getLogger(__name__)

# How often `check_cancelled` looks at the job's row, at most.
LOOK_EVERY_S = 0.2
# Progress that comes faster than this is written with the next one, or when the body ends.
PROGRESS_EVERY_S = 0.1


class JobFailed(Exception):
    """The job can not succeed, for a known reason: `code` for programs, `message` for people.

    With `retry` another attempt follows while the kind allows one; `result` is kept either way.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry: bool = False,
        result: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry = retry
        self.result = result


class Cancelled(Exception):
    """Somebody asked for this job to end; clean up and let it pass."""


def workdir_of(*, job_id: UUID, attempt: int) -> Path:
    """Where an attempt's body keeps its files; gone soon after the attempt ended."""
    return Path(settings.DATA_DIR) / "work" / str(job_id) / str(attempt)


class RunningJob:
    """One attempt's hold on its job. Not for use by several threads at once.

    Everything it writes is fenced: once another attempt owns the job, it raises `Superseded`
    and writes nothing. `event`, `progress`, `artifact` and `check_cancelled` raise `Cancelled`
    when the job is to end; a body that has to save something first catches that.
    """

    def __init__(
        self,
        *,
        job: Job,
        options: Mapping[str, Any],
        report: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.id: UUID = job.id
        self.kind = job.kind
        self.name = job.name
        self.attempt = job.attempt
        self.options = dict(options)
        self.owner_id: int = job.owner_id
        # Tells the supervisor what only it may write: log lines, metrics, that artifacts exist.
        self._report = report
        self._cancel_seen = False
        self._cancel_raised = False
        self._looked_at = time.monotonic()
        self._progress: dict[str, Any] | None = None
        self._progress_written_at = 0.0

    @property
    def workdir(self) -> Path:
        """A folder of this attempt alone, on local disk; removed soon after the attempt ended."""
        path = workdir_of(job_id=self.id, attempt=self.attempt)
        if not path.exists():
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._report({"folder": True})
        return path

    def __repr__(self) -> str:
        return f"<RunningJob {self.id} {self.kind} attempt {self.attempt}>"

    def event(self, type: str, **data: Any) -> None:
        """Append an event.

        :raises Cancelled: the job is to end (the event is written all the same).
        :raises Superseded: another attempt owns the job.
        """
        self._write(type, data)
        self._raise_if_cancelled()

    def progress(self, done: int, total: int | None = None, unit: str = "") -> None:
        """Say how far the work has come; at most ten a second are written, and always the last.

        :raises Cancelled: the job is to end.
        :raises Superseded: another attempt owns the job.
        """
        self._progress = {"done": done, "total": total, "unit": unit}
        if time.monotonic() - self._progress_written_at >= PROGRESS_EVERY_S or done == total:
            self.write_progress()
        self.check_cancelled()

    def write_progress(self) -> None:
        """Write the newest progress if it has not been; the engine calls this when the body ends."""
        if (latest := self._progress) is None:
            return
        self._progress = None
        self._progress_written_at = time.monotonic()
        columns = {f"progress_{name}": value for name, value in latest.items()}
        self._write(events.JOB_PROGRESSED, latest, changes=columns)

    def log(self, line: str, stream: str = "log") -> None:
        """Add a line to the attempt's log; lines are written in batches, as `log` events."""
        self._report({"log": stream, "line": line})

    def metric(self, name: str, value: float | str | bool) -> None:
        """Note a figure about this run; written to the job when the attempt ends, however it ends."""
        self._report({"metric": name, "value": value})

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody asked for this job to end. Cheap: the row is read five times a second."""
        if not self._cancel_seen and time.monotonic() - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = time.monotonic()
            row = (
                Job.objects.filter(pk=self.id, attempt=self.attempt, status="running")
                .values_list("cancel_requested_at")
                .first()
            )
            if row is None:
                raise Superseded(f"Attempt {self.attempt} does not own job {self.id} any more.")
            self._cancel_seen = row[0] is not None
        return self._cancel_seen

    @property
    def cancel_was_seen(self) -> bool:
        """What `cancel_requested` said last, without looking again."""
        return self._cancel_seen

    def check_cancelled(self) -> None:
        """:raises Cancelled: somebody asked for this job to end.
        :raises Superseded: another attempt owns the job.
        """
        if self.cancel_requested:
            self._raise_if_cancelled()

    def artifact(
        self, path: str, source: Path | bytes, *, kind: str, content_type: str | None = None
    ) -> Artifact:
        """Keep a file. It is seen once the attempt ended, also when it failed or was cancelled.

        Works after a cancel request too: a body that is asked to end saves what it has. A source
        file must lie in the work folder (links followed).

        :raises jobs.artifacts.BadPath: `path` or `source` leads out of its folder.
        :raises jobs.artifacts.ArtifactExists: this attempt kept that path before.
        :raises jobs.artifacts.StorageFull: no space; uncaught, the job fails with `storage_full`.
        :raises Superseded: another attempt owns the job.
        """
        kept = artifacts.add(
            job_id=self.id,
            attempt=self.attempt,
            path=path,
            source=source,
            kind=kind,
            content_type=content_type,
            inside=self.workdir if isinstance(source, Path) else None,
        )
        self._report({"artifact": path})
        return kept

    @contextmanager
    def fenced(self) -> Iterator[None]:
        """A transaction in which this attempt owns the job: for the kind's own rows.

        :raises Superseded: another attempt owns the job; nothing was written.
        """
        lock = " FOR UPDATE" if statements.vendor() == "postgresql" else ""
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    f"SELECT 1 FROM jobs_job WHERE id = %s AND attempt = %s AND status = 'running'{lock}",
                    [events.pk(self.id), self.attempt],
                )
                if cursor.fetchone() is None:
                    raise Superseded(f"Attempt {self.attempt} does not own job {self.id} any more.")
            yield

    def _write(
        self, type: str, data: Mapping[str, Any], changes: Mapping[str, Any] | None = None
    ) -> None:
        _, cancel = events.advance(
            job_id=self.id, type=type, data=data, attempt=self.attempt, fence=True, changes=changes
        )
        self._looked_at = time.monotonic()
        self._cancel_seen = self._cancel_seen or cancel

    def _raise_if_cancelled(self) -> None:
        # Once: a body that catches it to save what it has may go on reporting.
        if self._cancel_seen and not self._cancel_raised:
            self._cancel_raised = True
            raise Cancelled("Somebody asked for this job to end.")
