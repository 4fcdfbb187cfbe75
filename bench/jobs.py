"""No-op jobs a second and the time from submit to start, beside other queues in the same run.

    python -m bench.jobs [--jobs 2000] [--idle 60] [--rounds 3] [--database sqlite|postgres|both]

Two worker processes each; the order of the systems changes from round to round; medians are shown.
Throughput: all jobs are queued first, then the workers start; the clock runs from the first start to
the last. Idle: one job at a time, with a pause between. Peers: plain django-q2 (ORM, Redis),
Celery on Redis with late acknowledgement and, on PostgreSQL, Procrastinate. Their jobs write one line
to a file; ours write job, attempt and five events. A peer that is not installed is named as
missing. Ratios within one run mean something, absolute figures only on a quiet machine.
The exit code is 1 when an aim is missed.
"""

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.installation import ROOT, Installation, wait_for

AIM_RATIO = 1.4
AIM_IDLE_MS = 10.0
PAUSE_S = 0.05


@dataclass
class Figures:
    enqueue_us: list[float] = field(default_factory=list)
    per_s: list[float] = field(default_factory=list)
    waits_ms: list[float] = field(default_factory=list)


@dataclass
class System:
    """One queue: how to send a job, how to start its workers, and when its jobs started."""

    name: str
    send: Callable[[], None]
    start: Callable[[], "subprocess.Popen[bytes]"]
    # (sent, started) of every job since the last `reset`, Unix seconds.
    times: Callable[[], list[tuple[float, float]]]
    reset: Callable[[], None]
    figures: Figures = field(default_factory=Figures)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--idle", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--only", help="only systems whose name contains this")
    options = parser.parse_args()
    if options.database == "both":
        # A process each: Django takes one database for life.
        shared = [f"--{name}={getattr(options, name)}" for name in ("jobs", "idle", "rounds")]
        shared += [f"--only={options.only}"] if options.only else []
        runs = [
            subprocess.run(
                [sys.executable, "-m", "bench.jobs", f"--database={name}", *shared], cwd=ROOT
            )
            for name in ("sqlite", "postgres")
        ]
        return max(run.returncode for run in runs)
    installation = Installation(database=options.database, settings="bench.settings", WORKERS="2")
    redis = start_redis(installation)
    try:
        systems = build(installation, options.database)
        if options.only:
            systems = [system for system in systems if options.only in system.name]
        for number in range(options.rounds):
            turn = number % len(systems)
            for system in systems[turn:] + systems[:turn]:
                measure(installation, system, jobs=options.jobs, idle=options.idle)
        return report(options.database, systems)
    finally:
        installation.close()
        redis.terminate()
        redis.wait()


def start_redis(installation: Installation) -> "subprocess.Popen[bytes]":
    from tests.fixtures.servers import free_port, redis_program

    port = free_port()
    os.environ["BENCH_REDIS"] = f"redis://127.0.0.1:{port}/0"
    command = [redis_program(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--dir", str(installation.folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def build(installation: Installation, database: str) -> list[System]:
    systems = [
        ours(installation, database),
        django_q(installation, "orm"),
        django_q(installation, "redis"),
    ]
    if installed("celery"):
        systems.append(celery(installation))
    if database == "postgres" and installed("procrastinate"):
        systems.append(procrastinate(installation))
    return systems


def installed(package: str) -> bool:
    if importlib.util.find_spec(package):
        return True
    print(f"MISSING: {package} is not installed (requirements-bench.lock brings it); not measured.")
    return False


def ours(installation: Installation, database: str) -> System:
    from django.contrib.auth import get_user_model

    from jobs import services
    from jobs.models import Job

    owner = get_user_model().objects.create_user(username="bench")

    def send() -> None:
        services.submit(kind="bench.noop", options={}, by=owner)

    def times() -> list[tuple[float, float]]:
        rows = Job.objects.filter(status="succeeded").values_list("created_at", "started_at")
        return [(sent.timestamp(), started.timestamp()) for sent, started in rows if started]

    def reset() -> None:
        Job.objects.all().delete()

    def start() -> "subprocess.Popen[bytes]":
        return installation.start("runworkers", "--workers", "2")

    return System(f"Tapedeck, {database}", send, start, times, reset)


def peer(
    installation: Installation, name: str, send: Callable[[], None], start: Callable[..., object]
) -> System:
    """A system whose jobs append to a file of marks."""
    marks = installation.folder / f"{name.replace(' ', '-')}.marks"

    def times() -> list[tuple[float, float]]:
        rows = [line.split() for line in marks.read_text().splitlines()] if marks.exists() else []
        return [(float(sent), float(started)) for sent, started in rows]

    def start_marked() -> "subprocess.Popen[bytes]":
        os.environ["BENCH_MARKS"] = str(marks)
        process = start()
        assert isinstance(process, subprocess.Popen)
        return process

    return System(name, send, start_marked, times, lambda: marks.write_text("") and None)


def django_q(installation: Installation, broker: str) -> System:
    """Its own sender process: django-q2 reads its settings once, at import."""
    environment = {"DJANGO_SETTINGS_MODULE": "bench.peers.q_settings", "BENCH_Q": broker}
    sender = subprocess.Popen(
        [sys.executable, "-m", "bench.peers.q_sender"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    installation.adopt(sender)
    assert sender.stdin is not None
    assert sender.stdout is not None
    sender.stdout.readline()

    def send() -> None:
        assert sender.stdin is not None
        assert sender.stdout is not None
        sender.stdin.write(b"1\n")
        sender.stdin.flush()
        sender.stdout.readline()

    def start() -> "subprocess.Popen[bytes]":
        return installation.start("qcluster", **environment)

    return peer(installation, f"django-q2 {broker}", send, start)


def celery(installation: Installation) -> System:
    from bench.peers.celery_app import noop

    arguments = ("-A", "bench.peers.celery_app", "worker", "-c", "2", "--loglevel=ERROR")

    def start() -> "subprocess.Popen[bytes]":
        return installation.start(*arguments, python=("-m", "celery"))

    return peer(installation, "Celery + Redis", lambda: noop.delay(time.time()) and None, start)


def procrastinate(installation: Installation) -> System:
    import procrastinate as library

    from bench.peers.procrastinate_app import app, noop

    synchronous = app.with_connector(
        library.SyncPsycopgConnector(conninfo=installation.database_url)
    )
    synchronous.open()
    synchronous.schema_manager.apply_schema()
    task = synchronous.tasks[noop.name]
    # Two processes of one job each, as all the others here.
    arguments = ("-a", "bench.peers.procrastinate_app.app", "worker", "-q", "bench", "-c", "1")

    def start() -> "subprocess.Popen[bytes]":
        installation.start(*arguments, python=("-m", "procrastinate"))
        return installation.start(*arguments, python=("-m", "procrastinate"))

    return peer(
        installation, "Procrastinate", lambda: task.defer(sent_at=time.time()) and None, start
    )


def measure(installation: Installation, system: System, *, jobs: int, idle: int) -> None:
    """One round: a backlog for throughput, then single jobs for the time to start."""
    system.reset()
    before = time.perf_counter()
    for _ in range(jobs):
        system.send()
    system.figures.enqueue_us.append((time.perf_counter() - before) / jobs * 1e6)
    processes = len(installation.started)
    system.start()
    # Seldom: looking costs what is measured.
    if not wait_for(lambda: len(system.times()) >= jobs, timeout_s=60 + jobs / 20, every_s=0.5):
        raise SystemExit(
            f"{system.name}: {len(system.times())} of {jobs} jobs ran.\n{installation.log()[-3000:]}"
        )
    started = sorted(started for _, started in system.times())
    system.figures.per_s.append((jobs - 1) / (started[-1] - started[0]))
    system.reset()
    for number in range(idle):
        time.sleep(PAUSE_S)
        system.send()
        if not wait_for(lambda: len(system.times()) > number, timeout_s=10, every_s=0.01):  # noqa: B023
            raise SystemExit(
                f"{system.name}: a single job did not run.\n{installation.log()[-3000:]}"
            )
    system.figures.waits_ms += [(started - sent) * 1e3 for sent, started in system.times()]
    for process in installation.started[processes:]:
        installation.stop(process)


def report(database: str, systems: list[System]) -> int:
    print(f"\n{database:<24} {'enqueue µs':>11} {'jobs/s':>9} {'idle p50 ms':>12} {'p95 ms':>8}")
    rates: dict[str, float] = {}
    for system in systems:
        waits = sorted(system.figures.waits_ms)
        rates[system.name] = statistics.median(system.figures.per_s)
        p95 = waits[int(len(waits) * 0.95)]
        print(
            f"{system.name:<24} {statistics.median(system.figures.enqueue_us):>11.0f} "
            f"{rates[system.name]:>9.0f} {statistics.median(waits):>12.1f} {p95:>8.1f}"
        )
    mine = systems[0]
    rival = "Celery + Redis" if database == "sqlite" else "Procrastinate"
    missed = []
    if rival in rates and mine.name in rates:
        ratio = rates[mine.name] / rates[rival]
        print(f"jobs/s against {rival}: {ratio:.2f} (aim {AIM_RATIO})")
        missed += ["throughput"] if ratio < AIM_RATIO else []
    p50 = statistics.median(mine.figures.waits_ms)
    print(f"idle submit→start p50: {p50:.1f} ms (aim < {AIM_IDLE_MS:.0f})", flush=True)
    missed += ["idle start"] if p50 >= AIM_IDLE_MS else []
    if missed:
        print(f"MISSED: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
