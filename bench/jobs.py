"""No-op jobs a second and the time from submit to start, beside other queues in the same run.

    python -m bench.jobs [--jobs 1500] [--idle 40] [--rounds 5] [--database sqlite|postgres|both]

Systems take turns: in each round every one is measured, in an order that changes from round to
round. Shown are medians; the ratio that is judged is the median of the rounds' own ratios, so that
a machine that is busy for a while is so for both. Ratios within one run mean something, absolute
figures only on a quiet machine. A peer that is not installed is named as missing.
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

TERMS = """
What is compared: two worker processes each, nothing else to do. Throughput: all jobs are queued, then
the workers start; the clock runs from the first job's start to the last one's, and stops only when all
ran. Idle: one job at a time with a pause between; from the call that sends to the job's start.
A job of a peer appends one line to a file. A job of Tapedeck is claimed and ended under a lease, with its
attempt and five numbered events, each with the whole job where its state changed; all committed.
  Tapedeck       manage.py runworkers --workers 2, settings as shipped
  django-q2      its documented defaults (timeout 60, retry 120); the Redis broker has no receipts
  Celery         prefork -c 2, acks_late, no results kept, the rest as by default; does not load Django
  Procrastinate  two workers of concurrency 1 on the same PostgreSQL, the rest as by default; no Django
"""
AIM_RATIO = 1.4
AIM_IDLE_MS = 10.0
PAUSE_S = 0.05


@dataclass
class Figures:
    enqueue_us: list[float] = field(default_factory=list)
    per_s: list[float] = field(default_factory=list)
    waits_ms: list[float] = field(default_factory=list)
    # Jobs that were sent and never ran.
    lost: int = 0


@dataclass
class System:
    """One queue: how to send a job, how to start its workers, and when its jobs started."""

    name: str
    send: Callable[[], None]
    start: Callable[[], "subprocess.Popen[bytes]"]
    # How many jobs ran since the last `reset`; cheap, for it is asked while they run.
    done: Callable[[], int]
    # (sent, started) of each of them, Unix seconds.
    times: Callable[[], list[tuple[float, float]]]
    reset: Callable[[], None]
    # A peer that loses jobs is reported with what it lost; ours ends the run.
    is_peer: bool = False
    figures: Figures = field(default_factory=Figures)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1500)
    parser.add_argument("--idle", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--database", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--only", help="only systems whose name contains one of these (a,b)")
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
            wanted = options.only.split(",")
            systems = [each for each in systems if any(part in each.name for part in wanted)]
        for number in range(options.rounds):
            turn = number % len(systems)
            for system in systems[turn:] + systems[:turn]:
                measure(installation, system, jobs=options.jobs, idle=options.idle)
            rates = (f"{each.name} {each.figures.per_s[-1]:.0f}/s" for each in systems)
            print(f"round {number + 1}: {', '.join(rates)}", flush=True)
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

    owner = get_user_model().objects.create_superuser(username="bench")

    def send() -> None:
        services.submit(kind="bench.noop", options={}, by=owner)

    def times() -> list[tuple[float, float]]:
        rows = Job.objects.filter(status="succeeded").values_list("created_at", "started_at")
        return [(sent.timestamp(), started.timestamp()) for sent, started in rows if started]

    def done() -> int:
        return Job.objects.filter(status="succeeded").count()

    def reset() -> None:
        Job.objects.all().delete()

    def start() -> "subprocess.Popen[bytes]":
        return installation.start("runworkers", "--workers", "2")

    return System(f"Tapedeck, {database}", send, start, done, times, reset)


def peer(
    installation: Installation, name: str, send: Callable[[], None], start: Callable[..., object]
) -> System:
    """A system whose jobs append to a file of marks."""
    marks = installation.folder / f"{name.replace(' ', '-')}.marks"

    def times() -> list[tuple[float, float]]:
        rows = [line.split() for line in marks.read_text().splitlines()] if marks.exists() else []
        return [(float(sent), float(started)) for sent, started in rows]

    def done() -> int:
        return marks.read_bytes().count(b"\n") if marks.exists() else 0

    def start_marked() -> "subprocess.Popen[bytes]":
        os.environ["BENCH_MARKS"] = str(marks)
        process = start()
        assert isinstance(process, subprocess.Popen)
        return process

    return System(
        name, send, start_marked, done, times, lambda: marks.write_text("") and None, is_peer=True
    )


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
    from bench.peers.procrastinate_app import app, noop

    app.open()
    app.schema_manager.apply_schema()
    # Two processes of one job each, as all the others here.
    arguments = ("-a", "bench.peers.procrastinate_app.app", "worker", "-q", "bench", "-c", "1")

    def start() -> "subprocess.Popen[bytes]":
        installation.start(*arguments, python=("-m", "procrastinate"))
        return installation.start(*arguments, python=("-m", "procrastinate"))

    return peer(
        installation, "Procrastinate", lambda: noop.defer(sent_at=time.time()) and None, start
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
    if not wait_for(lambda: system.done() >= jobs, timeout_s=60 + jobs / 20, every_s=0.5):
        note_lost(installation, system, jobs - system.done())
    started = sorted(started for _, started in system.times())
    system.figures.per_s.append((len(started) - 1) / (started[-1] - started[0]))
    system.reset()
    for _ in range(idle):
        time.sleep(PAUSE_S)
        before_it = system.done()
        system.send()
        if not wait_for(lambda: system.done() > before_it, timeout_s=10, every_s=0.01):  # noqa: B023
            note_lost(installation, system, 1)
    system.figures.waits_ms += [(started - sent) * 1e3 for sent, started in system.times()]
    for process in installation.started[processes:]:
        installation.stop(process)


def note_lost(installation: Installation, system: System, lost: int) -> None:
    """:raises SystemExit: it is ours that lost them."""
    if not system.is_peer:
        raise SystemExit(f"{system.name}: {lost} jobs did not run.\n{installation.log()[-3000:]}")
    system.figures.lost += lost


def report(database: str, systems: list[System]) -> int:
    print(TERMS)
    print(f"{database:<24} {'enqueue µs':>11} {'jobs/s':>9} {'idle p50 ms':>12} {'p95 ms':>8}")
    rates: dict[str, float] = {}
    for system in systems:
        waits = sorted(system.figures.waits_ms)
        rates[system.name] = statistics.median(system.figures.per_s)
        p95 = waits[int(len(waits) * 0.95)]
        print(
            f"{system.name:<24} {statistics.median(system.figures.enqueue_us):>11.0f} "
            f"{rates[system.name]:>9.0f} {statistics.median(waits):>12.1f} {p95:>8.1f}"
            f"{f'   lost {system.figures.lost}' if system.figures.lost else ''}"
        )
    mine = systems[0]
    rival = "Celery + Redis" if database == "sqlite" else "Procrastinate"
    missed = []
    for peer in systems[1:]:
        pairs = zip(mine.figures.per_s, peer.figures.per_s, strict=True)
        ratios = sorted(own / other for own, other in pairs)
        ratio = statistics.median(ratios)
        aim = f" (aim {AIM_RATIO})" if peer.name == rival else ""
        print(f"jobs/s against {peer.name}: {ratio:.2f}, {ratios[0]:.2f}-{ratios[-1]:.2f}{aim}")
        missed += ["throughput"] if peer.name == rival and ratio < AIM_RATIO else []
    if rival not in rates:
        print(f"NOT COMPARED with {rival}: not measured.")
    p50 = statistics.median(mine.figures.waits_ms)
    print(f"idle submit→start p50: {p50:.1f} ms (aim < {AIM_IDLE_MS:.0f})", flush=True)
    missed += ["idle start"] if p50 >= AIM_IDLE_MS else []
    if missed:
        print(f"MISSED: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
