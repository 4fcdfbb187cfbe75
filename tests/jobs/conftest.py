"""Jobs in any state, and people in every role."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from jobs import events
from jobs.models import TERMINAL, Artifact, Job, Status

MakeJob = Callable[..., Job]


def bearer(user: User) -> str:
    """The header of a program that logged in as `user`."""
    return f"Bearer {AccessToken.for_user(user)}"


def stored_job(*, owner: User, status: str = Status.QUEUED, **fields: Any) -> Job:
    """A job in `status` with its first event, without a worker."""
    now = timezone.now()
    job = Job.objects.create(
        **{
            "kind": "test.noop",
            "name": "A job",
            "owner": owner,
            "status": status,
            "created_at": now,
            "started_at": None if status == Status.QUEUED else now,
            "finished_at": now if status in TERMINAL else None,
            "lease_until": now + timedelta(hours=1) if status == Status.RUNNING else None,
            "attempt": 0 if status == Status.QUEUED else 1,
            **fields,
        }
    )
    events.emit(job_id=job.id, type=events.JOB_CREATED, data=events.job_dto(job))
    job.refresh_from_db()
    return job


def end_job(job: Job) -> None:
    """Write the terminal state with its event, as the worker does: together."""
    with transaction.atomic():
        Job.objects.filter(pk=job.pk).update(
            status=Status.SUCCEEDED, finished_at=timezone.now(), lease_until=None
        )
        job.refresh_from_db()
        events.emit(job_id=job.id, type=events.JOB_STATE_CHANGED, data=events.job_dto(job))


def stored_artifact(
    job: Job, *, path: str, body: bytes, content_type: str, visible: bool = True
) -> Artifact:
    return Artifact.objects.create(
        job=job,
        attempt=1,
        path=path,
        kind="file",
        content_type=content_type,
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        storage_name=default_storage.save(f"jobs/{job.pk}/1/file", ContentFile(body)),
        visible=visible,
        created_at=timezone.now(),
    )


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """Hashing is meant to be slow; these tests make many accounts."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def people(db: None) -> dict[str, User]:
    """One of each: the owner of the jobs, another operator, an administrator, someone without rights."""
    make = User.objects.create_user
    return {
        "owner": make("alice", password="pw-of-alice", is_staff=True),
        "other": make("bob", password="pw-of-bob", is_staff=True),
        "superuser": User.objects.create_superuser("root", password="pw-of-root"),
        "nobody": make("mallory", password="pw-of-mallory"),
    }
