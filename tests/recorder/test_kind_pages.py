"""The jobs of recordings lead to the recording."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from jobs import registry, services
from jobs.models import Job
from tests.recorder import recordings


def page_of(job: Job) -> str:
    page = registry.get(job.kind).page
    assert page is not None
    return page(job)


@pytest.mark.django_db
def test_recordings_and_replays_lead_to_the_recording() -> None:
    ada = User.objects.create_user("ada", is_staff=True)
    bob = User.objects.create_user("bob", is_staff=True)
    session = recordings.ended(ada)
    url = reverse("admin:recorder_recordingsession_change", args=[session.pk])
    options = {"sessionId": str(session.pk)}
    replay = services.submit(kind="recorder.replay", options=options, by=ada)
    foreign = services.submit(kind="recorder.replay", options=options, by=bob)
    assert page_of(session.job) == page_of(replay) == url
    assert page_of(foreign) == ""
    session.delete()
    assert page_of(Job.objects.get(pk=session.job_id)) == page_of(replay) == ""
