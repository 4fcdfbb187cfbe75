"""Verbs on sources: make, change, test, sync, pause, resume, schedule."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings as configured
from django.db import IntegrityError, transaction
from django.utils import timezone

from ingestion import connectors
from ingestion.connectors import Report
from ingestion.models import DocumentState, Source, SourceKind
from ingestion.refusals import (
    InvalidFields,
    NothingFailed,
    NotSynced,
    SourceDeleting,
    SourceNotPaused,
    SourcePaused,
    SyncRunning,
)
from ingestion.rights import check_may_change
from jobs import access, audit, schedules
from jobs import services as jobs
from jobs.casing import camel
from jobs.egress import Policy, split_url
from jobs.models import Job, Schedule
from jobs.options import clean_options, has_secret, spelled_inside, unmasked
from jobs.registry import InvalidOptions
from jobs.secrets import is_sealed, unseal

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SYNC = "ingestion.sync"
NAME_MAX = 200


@audit.command("source.create", says=("kind",))
def create(
    *,
    kind: str,
    settings: Mapping[str, Any],
    by: User,
    name: str = "",
    shared: bool = False,
    identity: str = "",
) -> Source:
    """Make a source of `by`; nothing is fetched yet. Secrets in `settings` are sealed.

    :raises jobs.access.NotAllowed: `by` is no operator.
    :raises InvalidFields: `kind` or `name`.
    :raises jobs.registry.InvalidOptions: the settings; `.errors` maps each to its messages.
    """
    access.check_may_do(by=by)
    connector = _connector(kind)
    cleaned = clean_options(connector.settings, settings)
    now = timezone.now()
    return Source.objects.create(
        kind=kind,
        name=_name(name or connector.name_for(cleaned)[:NAME_MAX]),
        owner=by,
        shared=shared,
        settings=cleaned,
        identity=identity,
        created_at=now,
        updated_at=now,
    )


@audit.command("source.change", target="source")
def change(
    *,
    source: Source,
    by: User,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    shared: bool | None = None,
) -> Source:
    """Change what is given; settings that are left out stay, and a secret that is dots too.

    After a change of settings the next sync looks at everything, for what it finds may differ.

    :raises jobs.access.NotAllowed, SourceDeleting: not by `by`, or not any more.
    :raises InvalidFields, jobs.registry.InvalidOptions: a field, or a setting, does not fit.
    """
    check_may_change(source=source, by=by)
    now = locked(source)
    before = _said(now)
    if name is not None:
        now.name = _name(name)
    if shared is not None:
        now.shared = shared
    if settings is not None:
        cleaned = merged(source=now, settings=settings)
        if _open(cleaned) != _open(now.settings):
            now.cursor = {}
        # Sealing the same secret again would look like a change.
        same = json.dumps(unseal(cleaned), sort_keys=True) == json.dumps(
            unseal(now.settings), sort_keys=True
        )
        now.settings = now.settings if same else cleaned
    now.updated_at = timezone.now()
    now.save()
    audit.say(**audit.changes(before=before, after=_said(now)))
    return now


def merged(*, source: Source, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The source's settings with `settings` over them, validated and sealed.

    :raises jobs.registry.InvalidOptions: a setting does not fit.
    """
    declared = _connector(source.kind).settings
    given = spelled_inside(declared, settings)
    given = {
        field: unmasked(value, before=source.settings.get(field)) for field, value in given.items()
    }
    kept = {name: value for name, value in source.settings.items() if name in declared().fields}
    cleaned = clean_options(declared, {**kept, **given})
    if _origins(cleaned) <= _origins(source.settings):
        return cleaned
    # Who may change a source must not learn its secret by having it sent to a host of their own.
    again = [
        name
        for name, value in cleaned.items()
        if has_secret(value) and unseal(value) == unseal(source.settings.get(name))
    ]
    if again:
        message = "Enter it again: the source goes to another host now, which would be sent it."
        raise InvalidOptions({camel(name): [message] for name in again})
    return cleaned


def _origins(settings: Mapping[str, Any]) -> set[tuple[str, str, int]]:
    """Scheme, host and port of each setting that is an address."""
    values = (value for value in settings.values() if isinstance(value, str))
    return {split_url(value) for value in values if value.startswith(("http://", "https://"))}


@audit.command("source.test", target="source", says=("kind",))
def try_connection(
    *, kind: str, settings: Mapping[str, Any], by: User, source: Source | None = None
) -> Report:
    """Try to connect with these settings (over those of `source`, where there is one).

    :raises jobs.access.NotAllowed: not for `by`.
    :raises jobs.registry.InvalidOptions: the settings.
    """
    access.check_may_do(by=by)
    connector = _connector(kind)
    if source is not None:
        check_may_change(source=source, by=by)
        cleaned = merged(source=source, settings=settings)
    else:
        cleaned = clean_options(connector.settings, settings)
    report = connector.test(
        settings=unseal(cleaned),
        policy=Policy.from_settings(),
        owner_id=source.owner_id if source is not None else by.pk,
    )
    audit.say(passed=report.ok, problems=[problem.code for problem in report.problems])
    return report


@audit.command("source.sync", target="source", says=("mode",))
def sync(*, source: Source, by: User, mode: str = "incremental") -> Job:
    """Queue a sync.

    :raises jobs.access.NotAllowed: not for `by`.
    :raises SyncRunning, SourcePaused, SourceDeleting, NotSynced: it can not be synced now.
    :raises NothingFailed: of mode `failures`.
    """
    check_may_change(source=source, by=by)
    now = locked(source)
    if now.kind not in connectors.all_connectors():
        raise NotSynced(NotSynced.__doc__)
    if now.paused:
        raise SourcePaused(SourcePaused.__doc__)
    refuse_running(now)
    if mode == "failures" and not now.documents.filter(state=DocumentState.FAILED).exists():
        raise NothingFailed(NothingFailed.__doc__)
    job = jobs.submit(
        kind=SYNC,
        options={"source_id": str(now.pk), "mode": mode},
        by=by,
        name=f"Sync {now.name}"[:200],
    )
    now.sync_job = source.sync_job = job
    now.save(update_fields=["sync_job"])
    audit.say(jobId=str(job.pk))
    return job


@audit.command("source.pause", target="source")
def pause(*, source: Source, by: User) -> Source:
    """No sync begins any more, its schedule's neither; one that runs goes on. Search goes on.

    Pausing what is paused changes nothing.
    """
    check_may_change(source=source, by=by)
    now = locked(source)
    now.paused = True
    now.save(update_fields=["paused"])
    if now.schedule is not None and not now.schedule.paused:
        schedules.pause(schedule=now.schedule, by=None, reason="Its source was paused.")
    return now


@audit.command("source.resume", target="source")
def resume(*, source: Source, by: User) -> Source:
    """Let syncs begin again, the schedule's too, from now on.

    :raises SourceNotPaused: there is nothing to resume.
    """
    check_may_change(source=source, by=by)
    now = locked(source)
    if not now.paused:
        raise SourceNotPaused(SourceNotPaused.__doc__)
    now.paused = False
    now.save(update_fields=["paused"])
    if now.schedule is not None and now.schedule.paused:
        schedules.resume(schedule=now.schedule, by=by)
    return now


@audit.command("source.schedule", target="source", says=("cron", "time_zone"))
def set_schedule(*, source: Source, by: User, cron: str, time_zone: str = "") -> Schedule | None:
    """Sync by itself at these times; an empty `cron` ends that.

    :raises InvalidFields: the times can not be read.
    """
    check_may_change(source=source, by=by)
    now = locked(source)
    if now.kind not in connectors.all_connectors():
        raise NotSynced(NotSynced.__doc__)
    if not cron.strip():
        if now.schedule is not None:
            schedules.delete(schedule=now.schedule, by=by)
            now.schedule = source.schedule = None
        return None
    found = now.schedule
    now.schedule = source.schedule = schedules.save(
        by=by,
        schedule=found,
        name=found.name if found else _schedule_name(now),
        kind=SYNC,
        cron_expression=cron.strip(),
        time_zone=time_zone or (found.time_zone if found else configured.TIME_ZONE),
        options={"source_id": str(now.pk), "mode": "incremental"},
        paused=now.paused,
        tags=["source"],
    )
    now.save(update_fields=["schedule"])
    return now.schedule


def find_or_create(
    *, kind: str, settings: Mapping[str, Any], by: User, name: str = "", shared: bool = False
) -> Source:
    """The source of `by` that an ingest route means: made, or its settings made these.

    :raises jobs.registry.InvalidOptions: the settings.
    """
    connector = _connector(kind)
    access.check_may_do(by=by)
    cleaned = clean_options(connector.settings, settings)
    identity = identity_of(kind=kind, settings=cleaned)
    found = Source.objects.filter(owner=by, kind=kind, identity=identity).first()
    if found is None:
        try:
            with transaction.atomic():
                return create(
                    kind=kind, settings=settings, by=by, name=name, shared=shared, identity=identity
                )
        except IntegrityError:
            # Another request was first.
            found = Source.objects.get(owner=by, kind=kind, identity=identity)
    return change(source=found, by=by, settings=settings, name=name or None)


def identity_of(*, kind: str, settings: Mapping[str, Any]) -> str:
    """What two requests have in common that mean one source."""
    names = _connector(kind).identity
    return hashlib.sha256(
        json.dumps([kind, *(settings.get(name) for name in names)], default=str).encode()
    ).hexdigest()


def locked(source: Source) -> Source:
    """The source as it is now, held for this transaction.

    :raises SourceDeleting: it is going, or gone.
    """
    rows = Source.objects.select_for_update(of=("self",)).select_related("sync_job", "schedule")
    now = rows.filter(pk=source.pk).first()
    if now is None or now.deleting:
        raise SourceDeleting(SourceDeleting.__doc__)
    return now


def refuse_running(source: Source) -> None:
    """:raises SyncRunning: a sync is at work or queued."""
    job = source.sync_job
    if job is not None and not job.is_terminal:
        raise SyncRunning(
            f"A sync of {source.name} is {job.status} already: job {job.pk}. "
            "Wait for it, or cancel it."
        )


def _connector(kind: str) -> connectors.Connector:
    try:
        return connectors.get(kind)
    except connectors.NoConnector as error:
        known = ", ".join(connectors.all_connectors())
        if kind in SourceKind.values:
            raise InvalidFields({"kind": [f"{error} Those that are: {known}."]}) from error
        raise InvalidFields({"kind": [f"There is no such kind. Known: {known}."]}) from error


def _name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > NAME_MAX or not name.isprintable():
        raise InvalidFields({"name": [f"1 to {NAME_MAX} characters on one line."]})
    return name


def _schedule_name(source: Source) -> str:
    name = f"Sync {source.name}"[: schedules.NAME_MAX - 10]
    taken = Schedule.objects.filter(name=name).exists()
    return f"{name} ({str(source.pk)[-6:]})" if taken else name


def _open(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those settings that are no secrets."""
    return {name: value for name, value in settings.items() if not has_secret(value)}


def _said(source: Source) -> dict[str, Any]:
    """For the audit trail: secrets as whether they are there."""
    settings = {
        name: {"$sealed": ""} if is_sealed(value) else value
        for name, value in source.settings.items()
    }
    return {"name": source.name, "shared": source.shared, **settings}
