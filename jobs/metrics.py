"""What Prometheus reads.

Queues, outcomes, workers and storage come from the database when they are read, so that every web
process gives the same figures. Requests, websockets and the lag of events are this process's own:
scrape each process, and add them up.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.db import DatabaseError, connections
from django.db.models import Count, Min, Sum
from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from jobs import system, tallies
from jobs.models import Artifact, Job, Schedule, Status, Tally, TallyMark

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily

# A sum over all artifacts need not be newer.
STORAGE_FRESH_S = 30.0

REGISTRY = CollectorRegistry()

REQUESTS = Histogram(
    "tapedeck_request_duration_seconds",
    "Time until the answer began, of this process.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
SOCKETS = Gauge(
    "tapedeck_websocket_clients",
    "Open websockets of this process.",
    ["socket"],
    registry=REGISTRY,
)
EVENT_LAG = Histogram(
    "tapedeck_event_lag_seconds",
    "From writing an event until this process had read it for its clients (by two clocks).",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
ProcessCollector(namespace="tapedeck", registry=REGISTRY)


def observe_lag(written_at: float) -> None:
    """An event that was written at `written_at` (Unix time) has just been read for clients."""
    EVENT_LAG.observe(max(0.0, time.time() - written_at))


class FromDatabase(Collector):
    """Reads everything anew at each scrape; without a database only says that there is none."""

    def describe(self) -> Iterable[Family]:
        return []

    def collect(self) -> Iterator[Family]:
        up = GaugeMetricFamily("tapedeck_database_up", "1: the database answered this scrape.")
        try:
            tallies.count()
            families = [*_queues(), *_ended(), *_workers(), *_storage(), *_schedules(), *_build()]
        except DatabaseError:
            connections.close_all()
            families = []
            up.add_metric([], 0)
        else:
            up.add_metric([], 1)
        yield up
        yield from families


def _queues() -> Iterator[Family]:
    depth = GaugeMetricFamily(
        "tapedeck_queue_depth",
        "Queued jobs: ready to start, or delayed until their time.",
        labels=["queue", "kind", "state"],
    )
    age = GaugeMetricFamily(
        "tapedeck_queue_oldest_age_seconds",
        "For how long the oldest ready job has been ready; 0: none is.",
        labels=["queue", "kind"],
    )
    running = GaugeMetricFamily(
        "tapedeck_jobs_running", "Jobs that run now.", labels=["queue", "kind"]
    )
    seen = set()
    for row in system.waiting_by_kind():
        key = [row["queue"], row["kind"]]
        seen.add(row["queue"])
        depth.add_metric([*key, "ready"], row["ready"])
        depth.add_metric([*key, "delayed"], row["delayed"])
        age.add_metric(key, row["oldest_age_s"] or 0)
    for queue in settings.QUEUES:
        if queue not in seen:
            # An alert on a queue needs a figure while it is empty, too.
            depth.add_metric([queue, "", "ready"], 0)
            age.add_metric([queue, ""], 0)
    busy_queues: set[str] = set()
    busy = Job.objects.filter(status=Status.RUNNING).order_by("queue", "kind")
    for queue, kind, count in (
        busy.values("queue", "kind").annotate(n=Count("id")).values_list("queue", "kind", "n")
    ):
        running.add_metric([queue, kind], count)
        busy_queues.add(queue)
    for queue in settings.QUEUES:
        if queue not in busy_queues:
            running.add_metric([queue, ""], 0)
    yield from (depth, age, running)


def _ended() -> Iterator[Family]:
    jobs = CounterMetricFamily(
        "tapedeck_jobs_ended", "Jobs that ended, by how.", labels=["kind", "status"]
    )
    attempts = CounterMetricFamily(
        "tapedeck_attempts_ended", "Attempts that ended, by how.", labels=["kind", "outcome"]
    )
    retries = CounterMetricFamily(
        "tapedeck_retries", "Ended attempts that were not their job's first.", labels=["kind"]
    )
    job_times = HistogramMetricFamily(
        "tapedeck_job_duration_seconds",
        "From submission to the end, waits and retries included.",
        labels=["kind"],
    )
    attempt_times = HistogramMetricFamily(
        "tapedeck_attempt_duration_seconds", "How long attempts ran.", labels=["kind"]
    )
    by_kind: dict[tuple[str, str], list[Tally]] = {}
    for tally in Tally.objects.order_by("what", "kind", "outcome"):
        ended = jobs if tally.what == Tally.What.JOB else attempts
        ended.add_metric([tally.kind, tally.outcome], tally.count)
        by_kind.setdefault((tally.what, tally.kind), []).append(tally)
    for (what, kind), rows in by_kind.items():
        times = job_times if what == Tally.What.JOB else attempt_times
        sums = [sum(values) for values in zip(*(row.buckets for row in rows), strict=True)]
        bounds = [str(float(bound)) for bound in tallies.BUCKETS_S]
        whole = sum(row.count for row in rows)
        buckets = [*zip(bounds, map(float, sums), strict=True), ("+Inf", float(whole))]
        times.add_metric([kind], buckets, sum(row.seconds for row in rows))
        if what == Tally.What.ATTEMPT:
            retries.add_metric([kind], sum(row.retries for row in rows))
    lag = GaugeMetricFamily(
        "tapedeck_tally_lag_seconds", "How far the counters of what ended are behind."
    )
    mark = TallyMark.objects.aggregate(at=Min("up_to"))["at"]
    if mark is not None:
        lag.add_metric([], max(0.0, (system.database_now() - mark).total_seconds()))
    yield from (jobs, attempts, retries, job_times, attempt_times, lag)


def _workers() -> Iterator[Family]:
    found = system.workers()
    workers = GaugeMetricFamily(
        "tapedeck_workers",
        "Worker processes: idle, busy, draining, drained, resuming, silent.",
        labels=["queue", "state"],
    )
    for queue in sorted({*settings.QUEUES, *(worker.queue for worker in found)}):
        for state in ("idle", "busy", "draining", "drained", "resuming", "silent"):
            count = sum(worker.queue == queue and worker.state == state for worker in found)
            workers.add_metric([queue, state], count)
    yield workers


_storage_kept: list[tuple[float, int, int]] = []


def _storage() -> Iterator[Family]:
    now = time.monotonic()
    if not _storage_kept or now - _storage_kept[0][0] > STORAGE_FRESH_S:
        sums = Artifact.objects.aggregate(n=Count("id"), size=Sum("size_bytes"))
        _storage_kept[:] = [(now, sums["n"], sums["size"] or 0)]
    _, count, size_bytes = _storage_kept[0]
    yield GaugeMetricFamily("tapedeck_artifacts", "Stored artifacts.", value=count)
    yield GaugeMetricFamily("tapedeck_artifact_bytes", "What all artifacts take.", value=size_bytes)
    yield GaugeMetricFamily(
        "tapedeck_artifact_quota_bytes",
        "What they may take (ARTIFACT_QUOTA_MB); 0: no limit.",
        value=settings.ARTIFACT_QUOTA_MB * 1024 * 1024,
    )


def _schedules() -> Iterator[Family]:
    states = GaugeMetricFamily(
        "tapedeck_schedules", "Schedules: active, or paused.", labels=["state"]
    )
    paused = Schedule.objects.filter(paused=True).count()
    states.add_metric(["paused"], paused)
    active = Schedule.objects.filter(paused=False)
    states.add_metric(["active"], active.count())
    first = active.aggregate(at=Min("next_at"))["at"]
    late = (system.database_now() - first).total_seconds() if first else 0.0
    yield states
    yield GaugeMetricFamily(
        "tapedeck_schedule_overdue_seconds",
        "For how long the most overdue schedule has been due; 0: none is.",
        value=max(0.0, late),
    )


def _build() -> Iterator[Family]:
    info = GaugeMetricFamily("tapedeck_build_info", "1, with the version.", labels=["version"])
    info.add_metric([system.versions()["tapedeck"]], 1)
    yield info


REGISTRY.register(FromDatabase())
