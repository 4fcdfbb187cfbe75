"""Deaths: of bodies, workers, clusters and the parent of all; with real processes."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, connections

from jobs import services
from jobs.models import Job, Worker
from tests.fixtures.database import asked_without_log
from tests.fixtures.jobs import Cluster, end_worker, fork_worker, gone, wait_for, wait_until_ended
from tests.fixtures.servers import free_port

Start = Callable[..., Cluster]


def submit(owner: User, kind: str, **options: Any) -> Job:
    return services.submit(kind=kind, options=options, by=owner)


def until_running(job: Job) -> Job:
    wait_for(lambda: Job.objects.get(pk=job.pk).status == "running")
    return Job.objects.get(pk=job.pk)


def until_said(job: Job, type: str = "body.started") -> dict[str, Any]:
    # A worker may have to start first, beside others that do.
    event = wait_for(lambda: job.events.filter(type=type).first(), timeout_s=60)
    data: dict[str, Any] = event.data
    return data


@pytest.fixture
def worker(database: str, owner: User) -> Iterator[int]:
    pid = fork_worker()
    yield pid
    end_worker(pid)


def visible(job: Job) -> list[str]:
    return list(job.artifacts.filter(visible=True).values_list("path", flat=True))


def test_a_cooperative_body_is_cancelled_in_time_to_save(worker: int, owner: User) -> None:
    job = submit(owner, "test.isolated_polite", seconds=30)
    until_said(job)
    asked_at = time.monotonic()
    services.cancel(job=job, by=owner)
    job = wait_until_ended(job)
    assert time.monotonic() - asked_at < 3
    assert (job.status, job.reason) == ("cancelled", "cancelled_by_user")
    assert visible(job) == ["saved.txt"]
    assert job.events.filter(type="body.saved").exists()


def test_a_body_deaf_to_everything_is_killed_with_what_it_abandoned(
    worker: int, owner: User
) -> None:
    job = submit(owner, "test.isolated", seconds=60)
    started = until_said(job)
    assert psutil.pid_exists(started["program"])
    services.cancel(job=job, by=owner)
    job = wait_until_ended(job)
    assert job.status == "cancelled"
    assert not psutil.pid_exists(started["pid"])
    assert not psutil.pid_exists(started["program"])
    assert visible(job) == ["draft.txt"]  # salvaged


@pytest.mark.parametrize("kind", ["test.sleeps", "test.deaf"])
def test_a_body_inside_the_worker_is_cancelled(worker: int, owner: User, kind: str) -> None:
    job = submit(owner, kind, seconds=30)
    until_running(job)
    services.cancel(job=job, by=owner)
    assert wait_until_ended(job, timeout_s=5).status == "cancelled"
    # The worker lived through it.
    assert wait_until_ended(submit(owner, "test.noop")).status == "succeeded"


def test_the_death_of_a_body_is_seen_at_once(worker: int, owner: User) -> None:
    job = submit(owner, "test.isolated", seconds=60)
    started = until_said(job)
    os.kill(started["pid"], signal.SIGKILL)
    lease = Job.objects.get(pk=job.pk).lease_until
    job = wait_until_ended(job)
    # Nobody waited for the lease to run out.
    assert job.finished_at is not None
    assert lease is not None
    assert job.finished_at < lease
    assert (job.status, job.reason) == ("failed", "crashed")
    assert job.error == "The body's process was killed by SIGKILL."
    assert not psutil.pid_exists(started["program"])
    assert visible(job) == ["draft.txt"]


def test_the_death_of_the_guardian_leaves_nothing_behind(worker: int, owner: User) -> None:
    job = submit(owner, "test.isolated", seconds=60)
    started = until_said(job)
    guardian = psutil.Process(started["pid"]).ppid()
    assert guardian != worker
    os.kill(guardian, signal.SIGKILL)
    job = wait_until_ended(job)
    assert (job.status, job.reason) == ("failed", "crashed")
    assert not psutil.pid_exists(started["pid"])
    assert not psutil.pid_exists(started["program"])


def test_a_lease_lives_as_long_as_its_worker(worker: int, owner: User) -> None:
    job = submit(owner, "test.sleeps", seconds=settings.LEASE_S + 1.5)
    first = until_running(job).lease_until
    job = wait_until_ended(job)
    assert (job.status, job.attempt) == ("succeeded", 1)
    assert first is not None
    assert job.finished_at is not None
    assert job.finished_at > first


def test_a_killed_worker_costs_an_attempt_and_nothing_else(cluster: Start, owner: User) -> None:
    main = cluster(workers=2)
    job = submit(owner, "test.sleeps", seconds=1)
    running = until_running(job)
    os.kill(int(running.worker.rsplit(":", 2)[1]), signal.SIGKILL)
    job = wait_until_ended(job)
    assert (job.status, job.attempt, job.crashes) == ("succeeded", 2, 1)
    assert [attempt.outcome for attempt in job.attempts.all()] == ["crashed", "succeeded"]
    wait_for(lambda: not Worker.objects.filter(name=running.worker).exists(), timeout_s=20)
    assert main.stop() == 0
    assert not Worker.objects.exists()


def test_a_killed_worker_takes_its_isolated_body_along(cluster: Start, owner: User) -> None:
    cluster(workers=1)
    job = submit(owner, "test.isolated", seconds=60)
    started = until_said(job)
    os.kill(int(until_running(job).worker.rsplit(":", 2)[1]), signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(started["pid"]), timeout_s=5)
    job = wait_until_ended(job)
    assert (job.status, job.reason) == ("failed", "worker_lost")  # one attempt only
    wait_for(lambda: not psutil.pid_exists(started["program"]), timeout_s=5)
    assert visible(job) == ["draft.txt"]
    # After the terminal state, so that a reaper that dies in between loses no file.
    wait_for(lambda: not (settings.DATA_DIR / "work" / str(job.id)).exists(), timeout_s=5)


def test_a_killed_cluster_leaves_no_process_and_the_next_one_goes_on(
    cluster: Start, owner: User
) -> None:
    first = cluster(workers=1)
    job = submit(owner, "test.isolated", seconds=60)
    waiting = submit(owner, "test.noop")
    started = until_said(job)
    tree = first.tree()
    assert len(tree) >= 6  # main, sentinel, worker, monitor, pusher, guardian, body, program
    first.process.kill()
    first.process.wait()
    wait_for(lambda: all(gone(process) for process in tree), timeout_s=5)
    assert not psutil.pid_exists(started["program"])
    cluster(workers=1)
    assert wait_until_ended(job).reason == "worker_lost"
    assert wait_until_ended(waiting).status == "succeeded"


def test_a_cluster_that_stands_still_is_restarted(cluster: Start, owner: User) -> None:
    main = cluster(workers=1)
    wait_for(lambda: Worker.objects.count() == 1)
    worker = psutil.Process(Worker.objects.get().pid)
    # As if the ticket queue's lock had died with its holder: the worker never gets a ticket.
    worker.suspend()
    submit(owner, "test.noop")
    assert main.process.wait(timeout=20) == -signal.SIGKILL
    wait_for(lambda: gone(worker))


def test_sigterm_lets_the_running_job_end(cluster: Start, owner: User) -> None:
    main = cluster(workers=1)
    job = submit(owner, "test.sleeps", seconds=1.5)
    until_running(job)
    assert main.stop() == 0
    job.refresh_from_db()
    assert (job.status, job.attempt) == ("succeeded", 1)


def test_start_is_fast_on_an_idle_cluster(cluster: Start, owner: User) -> None:
    cluster(workers=2)
    wait_until_ended(submit(owner, "test.noop"))
    waits = []
    for _ in range(15):
        job = wait_until_ended(submit(owner, "test.noop"))
        assert job.started_at is not None
        waits.append((job.started_at - job.created_at).total_seconds())
    assert sorted(waits)[7] < 0.1
    if connection.vendor == "sqlite":
        # The cluster writes SQLite's log back, so that no commit has to.
        ended = "SELECT COUNT(*) FROM jobs_job WHERE status = 'succeeded'"
        wait_for(lambda: asked_without_log(Path(connection.settings_dict["NAME"]), ended) == 16)


@pytest.fixture
def up(database: str, tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    connections.close_all()
    started: list[Cluster] = []

    def start(*arguments: str, **variables: str) -> Cluster:
        log = tmp_path / "up.log"
        options = ("up", "--port", str(free_port()), *arguments)
        started.append(
            Cluster(database, *options, log=log, WORKERS="1", BROWSER_WORKERS="1", **variables)
        )
        wait_for(
            lambda: "ready:" in log.read_text() or started[-1].process.poll() is not None,
            timeout_s=60,
        )
        assert started[-1].process.poll() is None, log.read_text()
        return started[-1]

    yield start
    for each in started:
        each.end()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_up_runs_everything_and_kill_9_leaves_nothing(up: Start, owner: User) -> None:
    parent = up()
    job = submit(owner, "test.isolated", seconds=60)
    started = until_said(job)
    tree = parent.tree()
    assert len(tree) >= 12
    assert psutil.Process(started["program"]) in tree
    parent.process.kill()
    parent.process.wait()
    wait_for(lambda: all(gone(process) for process in tree), timeout_s=5)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_up_restarts_what_dies_and_sigterm_ends_all_truthfully(up: Start, owner: User) -> None:
    parent = up("--drain-s", "1")
    children = psutil.Process(parent.pid).children()
    assert len(children) == 3
    for child in children:
        child.kill()
    wait_for(lambda: parent.log.read_text().count("starting it again") == 3)
    job = submit(owner, "test.isolated", seconds=60)
    started = until_said(job)
    tree = parent.tree()
    assert parent.stop() == 0
    assert all(gone(process) for process in tree)
    assert not psutil.pid_exists(started["program"])
    job.refresh_from_db()
    assert (job.status, job.reason) == ("failed", "worker_lost")
    assert parent.log.read_text().rstrip().endswith("Stopped.")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_up_says_why_it_can_not_start(database: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = Cluster(database, "up", "--only", "web", "--port", str(port), log=tmp_path / "log")
        assert failed.process.wait(timeout=60) == 1
        assert f"Can not listen on 127.0.0.1:{port}" in failed.log.read_text()
        failed.end()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_workers_can_run_alone(up: Start, owner: User) -> None:
    parent = up("--only", "workers", "--queue", "default")
    assert "The workers are ready: default" in parent.log.read_text()
    assert len(psutil.Process(parent.pid).children()) == 1
    assert wait_until_ended(submit(owner, "test.noop")).status == "succeeded"
    assert parent.stop() == 0
