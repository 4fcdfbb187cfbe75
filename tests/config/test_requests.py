"""Who a request is from, what it is known by, and that refused commands are on record."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from config.proxies import client_address
from jobs import roles
from jobs.access import Role
from jobs.models import AuditEntry
from tests.jobs.conftest import stored_job

PROXIES = [ip_network("10.0.0.0/8"), ip_network("127.0.0.0/8"), ip_network("::1/128")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.9", "", "192.0.2.9"),
        ("192.0.2.9", "203.0.113.1", "192.0.2.9"),  # no proxy of ours: its word counts for nothing
        ("10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "198.51.100.66, 203.0.113.1", "203.0.113.1"),  # the left one is made up
        ("10.0.0.1", "203.0.113.1, 10.0.0.2", "203.0.113.1"),
        ("::ffff:127.0.0.1", "2001:db8::5", "2001:db8::5"),
        ("10.0.0.1", "<script>", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.1, rubbish", "10.0.0.1"),
        ("", "203.0.113.1", ""),
    ],
)
def test_the_client_is_whom_the_last_trusted_proxy_heard(
    peer: str, forwarded: str, client: str
) -> None:
    assert client_address(peer=peer, forwarded=forwarded, trusted=PROXIES) == client


@pytest.mark.django_db
def test_every_answer_carries_its_request_id() -> None:
    given = Client().get("/api/health/live", headers={"X-Request-ID": "from-the-proxy-1"})
    assert given["X-Request-ID"] == "from-the-proxy-1"
    made = Client().get("/admin/login/", headers={"X-Request-ID": "<bad>\t"})
    assert len(made["X-Request-ID"]) == 32


@pytest.mark.django_db
def test_a_refused_command_is_on_record_with_where_it_came_from(settings: Any) -> None:
    settings.TRUSTED_PROXIES = PROXIES
    viewer = User.objects.create_user("vera")
    roles.put_in(user=viewer, role=Role.VIEWER)
    job = stored_job(owner=viewer)
    client = Client()
    client.force_login(viewer)
    AuditEntry.objects.all().exists()
    answer = client.post(
        f"/api/jobs/{job.pk}/cancel",
        content_type="application/json",
        headers={"X-Request-ID": "request-7", "X-Forwarded-For": "203.0.113.7"},
    )
    assert answer.status_code == 403
    entry = AuditEntry.objects.filter(outcome="refused").get()
    assert (entry.actor_name, entry.address, entry.via) == ("vera", "203.0.113.7", "api")
    assert entry.request_id == "request-7"
    assert (entry.action, entry.data["status"]) == ("request.refused", 403)
    assert entry.data["path"] == f"/api/jobs/{job.pk}/cancel"
    # Reading is no command, and nobody's command is nobody's.
    client.get("/api/admin/users")
    Client().post(f"/api/jobs/{job.pk}/cancel")
    assert AuditEntry.objects.filter(outcome="refused").count() == 1


@pytest.mark.django_db
def test_what_a_verb_refused_is_on_record_once() -> None:
    owner = User.objects.create_user("owner")
    roles.put_in(user=owner, role=Role.OPERATOR)
    other = User.objects.create_user("other")
    roles.put_in(user=other, role=Role.OPERATOR)
    job = stored_job(owner=owner, shared=True)
    client = Client()
    client.force_login(other)
    answer = client.post(f"/api/jobs/{job.pk}/cancel", content_type="application/json")
    assert answer.status_code == 403
    assert "only its owner or an admin" in answer.json()["detail"]
    entry = AuditEntry.objects.filter(outcome="refused").get()
    assert (entry.action, entry.target_id, entry.job_id) == ("job.cancel", str(job.pk), job.pk)
