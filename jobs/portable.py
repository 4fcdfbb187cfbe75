"""One job as a file: exported with its attempts, events and artifacts, and imported elsewhere.

The file is a zip: `manifest.json` (everything that is rows, and size and SHA-256 of each file),
`manifest.sha256` (of the manifest), and `artifacts/<number>` for each file. It is not signed: the
hashes find damage and careless changes, not an author who computes them anew.

Secrets stay sealed as they are. Where ENCRYPTION_KEY is the same they can be opened; with another
key the job is shown, and running it again asks to enter them anew.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any
from uuid import UUID, uuid4

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction
from django.utils.dateparse import parse_datetime

from jobs import artifacts, audit, quotas, registry
from jobs.artifacts import BadPath, check_path
from jobs.events import JOB_IMPORTED, to_json
from jobs.files import Draft, delete_file
from jobs.models import TERMINAL, Artifact, Attempt, Job, JobEvent
from jobs.options import has_secret
from jobs.secrets import SecretUnreadable, unseal
from jobs.system import database_now

if TYPE_CHECKING:
    from django.contrib.auth.models import User

FORMAT = "tapedeck.job/1"
MANIFEST, DIGEST = "manifest.json", "manifest.sha256"
MANIFEST_MAX = 256 * 1024 * 1024
FILES_MAX = 100_000
CHUNK = 1024 * 1024
# What the files of one import may take unpacked, where nobody says otherwise.
MAX_BYTES = 10 * 1024**3

JOB_FIELDS = (
    *("kind", "name", "options", "tags", "shared", "preset", "priority", "queue", "status"),
    *("reason", "error", "attempt", "max_attempts", "crashes", "errors", "worker", "timeout_s"),
    *("cancel_reason", "progress_done", "progress_total", "progress_unit", "metrics", "result"),
    *("last_seq", "trace_parent"),
)
JOB_TIMES = (
    *("created_at", "started_at", "finished_at", "cancel_requested_at", "cancel_forced_at"),
)


class JobNotExportable(Exception):
    """This job can not be exported."""


class BadExport(Exception):
    """This file is no export, or it was damaged or changed."""


class JobExists(Exception):
    """There is a job with this id already."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """`notes` say what is not as it was where the job came from."""

    job: Job
    artifacts: int
    size_bytes: int
    notes: list[str]


def export(*, job: Job, to: IO[bytes]) -> dict[str, int]:
    """Write the job and its visible artifacts to `to`: how many events and artifacts there are.

    :raises JobNotExportable: it has not ended, or a file of it is gone or damaged.
    """
    if job.status not in TERMINAL:
        raise JobNotExportable(f"Job {job.pk} has not ended yet ({job.status}).")
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "id": str(job.pk),
        "parentId": str(job.parent_id) if job.parent_id else None,
        "owner": job.owner.get_username(),
        "job": {name: getattr(job, name) for name in JOB_FIELDS},
        "times": {name: _time(getattr(job, name)) for name in JOB_TIMES},
        "attempts": [_attempt(row) for row in job.attempts.order_by("number")],
        "events": [_event(row) for row in job.events.order_by("seq").iterator(chunk_size=500)],
        "artifacts": [],
    }
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as whole:
        for number, row in enumerate(job.artifacts.filter(visible=True).order_by("path"), 1):
            _write_file(whole, f"artifacts/{number}", row)
            manifest["artifacts"].append(_artifact(row, number))
        text = json.dumps(manifest, ensure_ascii=True, sort_keys=True).encode()
        whole.writestr(MANIFEST, text)
        whole.writestr(DIGEST, hashlib.sha256(text).hexdigest())
    return {"events": len(manifest["events"]), "artifacts": len(manifest["artifacts"])}


def _write_file(whole: zipfile.ZipFile, name: str, row: Artifact) -> None:
    digest = hashlib.sha256()
    try:
        with (
            artifacts.open_artifact(row) as stored,
            whole.open(name, "w", force_zip64=True) as out,
        ):
            while data := stored.read(CHUNK):
                digest.update(data)
                out.write(data)
    except FileNotFoundError as error:
        raise JobNotExportable(f"The file of {row.path!r} is gone from storage.") from error
    if digest.hexdigest() != row.sha256:
        raise JobNotExportable(f"The file of {row.path!r} is not what was stored: damaged.")


def _time(value: datetime | None) -> str | None:
    return value.isoformat() if value else None


def _attempt(row: Attempt) -> dict[str, Any]:
    return {
        "number": row.number,
        "worker": row.worker,
        "startedAt": _time(row.started_at),
        "endedAt": _time(row.ended_at),
        "outcome": row.outcome,
        "reason": row.reason,
        "error": row.error,
    }


def _event(row: JobEvent) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "type": row.type,
        "data": row.data,
        "at": _time(row.at),
        "attempt": row.attempt,
    }


def _artifact(row: Artifact, number: int) -> dict[str, Any]:
    return {
        "file": f"artifacts/{number}",
        "path": row.path,
        "kind": row.kind,
        "contentType": row.content_type,
        "attempt": row.attempt,
        "sizeBytes": row.size_bytes,
        "sha256": row.sha256,
        "createdAt": _time(row.created_at),
    }


def import_job(
    *, source: IO[bytes], owner: User, by: User | None = None, max_bytes: int = MAX_BYTES
) -> Imported:
    """Make the exported job anew, with its id, as a job of `owner`. Nothing of it runs.

    Every size and hash is checked while files are stored; what is wrong leaves nothing behind.
    Its parent is kept where there is such a job here. One more event says that it was imported.

    :raises BadExport: no export, damaged, changed, or more in it than its manifest names.
    :raises JobExists: there is a job with this id.
    :raises jobs.files.StorageFull: no room, or a quota is full.
    """
    try:
        with zipfile.ZipFile(source) as whole:
            manifest = _manifest(whole)
            size_bytes = sum(int(each["sizeBytes"]) for each in manifest["artifacts"])
            if size_bytes > max_bytes:
                raise BadExport(
                    f"Its files take {size_bytes} bytes unpacked; at most {max_bytes} are taken."
                )
            job = _job(manifest, owner)
            if Job.objects.filter(pk=job.pk).exists():
                raise JobExists(f"There is a job {job.pk} already; delete it first, or keep it.")
            stored: list[str] = []
            try:
                files = [_store(whole, each, job, stored) for each in manifest["artifacts"]]
                return _write_rows(manifest, job, files, by=by)
            except BaseException as error:
                for name in stored:
                    delete_file(name)
                if isinstance(error, DataError | IntegrityError):
                    raise BadExport(f"The database refuses its rows: {error}") from error
                raise
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
        raise BadExport(f"This is no zip file that can be read: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, ValidationError) as error:
        said = f"{type(error).__name__}: {error}"
        raise BadExport(f"The manifest is not as it should be: {said}") from error


def owner_of(source: IO[bytes]) -> str:
    """The name of the exported job's owner.

    :raises BadExport: no export, damaged or changed.
    """
    try:
        with zipfile.ZipFile(source) as whole:
            return str(_manifest(whole)["owner"])
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise BadExport(f"This is no zip file that can be read: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise BadExport(f"The manifest is not as it should be: {error}") from error
    finally:
        source.seek(0)


def _manifest(whole: zipfile.ZipFile) -> dict[str, Any]:
    members = whole.infolist()
    names = [member.filename for member in members]
    if len(names) != len(set(names)):
        raise BadExport("A name occurs twice in it.")
    if len(names) > FILES_MAX:
        raise BadExport(f"More than {FILES_MAX} files are in it.")
    if MANIFEST not in names or DIGEST not in names:
        raise BadExport(f"{MANIFEST} or {DIGEST} is missing: this is no exported job.")
    text = _read_whole(whole, MANIFEST, MANIFEST_MAX)
    if hashlib.sha256(text).hexdigest() != _read_whole(whole, DIGEST, 64).decode(
        "ascii", "replace"
    ):
        raise BadExport("The manifest is not what was exported: it was damaged or changed.")
    manifest = json.loads(text)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BadExport(f"Its format is not {FORMAT}.")
    listed = {str(each["file"]) for each in manifest["artifacts"]}
    # Only names that the export itself gives: nothing is ever written where a name leads.
    if any(not re.fullmatch(r"artifacts/\d{1,6}", name) for name in listed):
        raise BadExport("A file in it has a name that no export gives.")
    if set(names) != listed | {MANIFEST, DIGEST} or len(listed) != len(manifest["artifacts"]):
        raise BadExport("It holds other files than its manifest names.")
    return manifest


def _read_whole(whole: zipfile.ZipFile, name: str, most: int) -> bytes:
    with whole.open(name) as file:
        text = file.read(most + 1)
    if len(text) > most:
        raise BadExport(f"{name} is larger than {most} bytes.")
    return text


def _job(manifest: Mapping[str, Any], owner: User) -> Job:
    given = manifest["job"]
    times = {name: _parsed(manifest["times"][name]) for name in JOB_TIMES}
    job = Job(
        id=UUID(manifest["id"]),
        owner=owner,
        **{name: given[name] for name in JOB_FIELDS},
        **times,
    )
    if job.status not in TERMINAL:
        raise BadExport("Its job has not ended.")
    for name in ("options", "metrics"):
        if not isinstance(getattr(job, name), dict):
            raise BadExport(f"The job's {name} are no object.")
    job.clean_fields(
        exclude=["owner", "parent", "schedule", "options", "tags", "metrics", "result"]
    )
    return job


def _moment(text: str | None) -> datetime:
    at = _parsed(text)
    if at is None:
        raise BadExport("A time is missing.")
    return at


def _parsed(text: str | None) -> datetime | None:
    if text is None:
        return None
    at = parse_datetime(text)
    if at is None or at.tzinfo is None:
        raise BadExport(f"{text[:40]!r} is no time with its offset.")
    return at


def _store(
    whole: zipfile.ZipFile, given: Mapping[str, Any], job: Job, stored: list[str]
) -> Artifact:
    """Store one file, never more of it than its manifest promises."""
    try:
        path = check_path(given["path"])
    except BadPath as error:
        raise BadExport(str(error)) from error
    size_bytes = int(given["sizeBytes"])
    with whole.open(given["file"]) as packed, Draft() as draft:
        while data := packed.read(CHUNK):
            draft.write(data)
            if draft.size_bytes > size_bytes:
                raise BadExport(f"{path!r} is larger than its manifest says.")
        if (draft.size_bytes, draft.sha256) != (size_bytes, given["sha256"]):
            raise BadExport(f"{path!r} is not what was exported: it was damaged or changed.")
        quotas.check_owner(
            owner_id=job.owner_id, name=job.owner.get_username(), size_bytes=size_bytes
        )
        suffix = artifacts.suffix_of(path)
        name = draft.keep(f"jobs/{job.pk}/{int(given['attempt'])}/{uuid4().hex}{suffix}")
    stored.append(name)
    row = Artifact(
        job=job,
        attempt=given["attempt"],
        path=path,
        kind=given["kind"],
        content_type=given["contentType"],
        size_bytes=size_bytes,
        sha256=given["sha256"],
        storage_name=name,
        visible=True,
        created_at=_moment(given["createdAt"]),
    )
    row.clean_fields(exclude=["job"])
    return row


@transaction.atomic
def _write_rows(
    manifest: Mapping[str, Any], job: Job, files: list[Artifact], *, by: User | None
) -> Imported:
    notes: list[str] = []
    if job.kind not in {kind.name for kind in registry.all_kinds()}:
        notes.append(f"This installation does not know the kind {job.kind}; it can not run again.")
    parent_id = manifest.get("parentId")
    if parent_id and (parent := Job.objects.filter(pk=UUID(parent_id)).first()):
        job.parent = parent
    elif parent_id:
        notes.append(f"Its parent {parent_id} is not here; the job has none now.")
    if manifest["owner"] != job.owner.get_username():
        notes.append(f"It was {manifest['owner']}'s; it is {job.owner.get_username()}'s now.")
    if has_secret(job.options):
        try:
            unseal(job.options)
        except SecretUnreadable:
            notes.append(
                "Its secrets were sealed with another ENCRYPTION_KEY: they can not be opened here, "
                "and running it again needs them anew."
            )
    seqs = [int(each["seq"]) for each in manifest["events"]]
    if seqs != list(range(1, len(seqs) + 1)) or job.last_seq != len(seqs):
        raise BadExport("Its events are not numbered without a gap.")
    job.last_seq += 1
    try:
        with transaction.atomic():
            job.save(force_insert=True)
    except IntegrityError as error:
        if Job.objects.filter(pk=job.pk).exists():
            raise JobExists(f"There is a job {job.pk} already.") from error
        raise BadExport(f"The database refuses the job: {error}") from error
    attempts = [
        Attempt(
            job=job,
            number=each["number"],
            worker=each["worker"],
            started_at=_moment(each["startedAt"]),
            ended_at=_parsed(each["endedAt"]),
            outcome=each["outcome"],
            reason=each["reason"],
            error=each["error"],
        )
        for each in manifest["attempts"]
    ]
    for attempt in attempts:
        attempt.clean_fields(exclude=["job"])
    Attempt.objects.bulk_create(attempts)
    events = [
        JobEvent(
            job=job,
            seq=each["seq"],
            type=each["type"],
            data=json.loads(to_json(each["data"])),
            at=_moment(each["at"]),
            attempt=each["attempt"],
        )
        for each in manifest["events"]
    ]
    said = {"from": manifest["owner"], "notes": notes}
    events.append(
        JobEvent(job=job, seq=job.last_seq, type=JOB_IMPORTED, data=said, at=database_now())
    )
    JobEvent.objects.bulk_create(events, batch_size=500)
    Artifact.objects.bulk_create(files, batch_size=500)
    audit.record(
        action="job.import", by=by, target=job, data={"artifacts": len(files), "notes": notes}
    )
    size_bytes = sum(row.size_bytes for row in files)
    return Imported(job=job, artifacts=len(files), size_bytes=size_bytes, notes=notes)
