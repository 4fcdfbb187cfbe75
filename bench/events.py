"""From an event's commit to the client's screen, beside Channels group messages in the same run.

    python -m bench.events [--database sqlite|postgres|both] [--seconds 8] [--rounds 2]

Parts: latency at 1, 50 and 500 clients with 5 events a second; the knee (500 clients, ever more events a
second, until the p95 passes a second); a flood to 50 clients; and what is lost or repeated while
clients are cut off, the web process is killed with -9, and Redis is restarted.

Systems take turns within each round; shown are medians of the rounds. All are served by Daphne in one
process, and the same program plays the clients. The exit code is 1 when an aim is missed.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import IO, Any

from bench.installation import ROOT, Installation, wait_for

AIM_P95_MS = 50.0
AIM_FLOOD = 5.0
KNEE_MS = 1_000.0
KNEE_RATES = (5, 10, 20, 40, 80)
TERMS = """
What is compared: Tapedeck's events are committed rows, numbered without a gap, written by one
process as a running job does (one transaction each) and read by one tail in the web process.
Group messages are sent by one process on one lasting loop; nothing is stored.
  core, pubsub   channels-redis' two layers with their defaults, one group, one consumer a client
"""


@dataclass
class System:
    """How to serve, publish to and watch one way of sending events."""

    name: str
    web: "Web"
    source: list[str]
    environment: dict[str, str]
    path: str = "/ws"
    token: str = ""
    resume: bool = False
    job_id: str = ""

    def last(self) -> int:
        if not self.job_id:
            return 0
        from jobs.models import Job

        return Job.objects.values_list("last_seq", flat=True).get(pk=self.job_id)


class Web:
    """One web server, which can be killed and started again on its port."""

    def __init__(
        self, installation: Installation, arguments: list[str], python: tuple[str, ...], **env: str
    ) -> None:
        from tests.fixtures.servers import free_port

        self.port = free_port()
        self._installation = installation
        self._arguments = [each.replace("PORT", str(self.port)) for each in arguments]
        self._python = python
        self._env = env
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = self._installation.start(*self._arguments, python=self._python, **self._env)
        if not wait_for(self._answers, timeout_s=60, every_s=0.1):
            raise SystemExit(f"The web server does not answer.\n{self._installation.log()[-3000:]}")

    def _answers(self) -> bool:
        import socket

        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Redis:
    def __init__(self, folder: str) -> None:
        from tests.fixtures.servers import free_port, redis_program

        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [redis_program(), "--port", str(self.port), "--bind", "127.0.0.1"]
        self._command += ["--save", "", "--dir", folder]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def crowd(system: System, *, clients: int, drop_every: float = 0) -> Iterator["Crowd"]:
    """Clients that are connected when the block begins."""
    arguments = ["--port", str(system.web.port), "--path", system.path, "--clients", str(clients)]
    arguments += ["--first", str(system.last()), "--drop-every", str(drop_every)]
    arguments += ["--token", system.token] if system.token else []
    arguments += ["--resume"] if system.resume else []
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.event_clients", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if process.stdout.readline().strip() != "ready":
            raise SystemExit(f"{system.name}: the clients did not connect.")
        yield Crowd(process.stdin, process.stdout)
    finally:
        process.kill()
        process.wait()


class Crowd:
    def __init__(self, stdin: IO[str], stdout: IO[str]) -> None:
        self._stdin, self._stdout = stdin, stdout

    def stop(self, last: int) -> dict[str, float]:
        self._stdin.write(f"stop {last}\n")
        self._stdin.flush()
        figures: dict[str, float] = json.loads(self._stdout.readline())
        return figures


def publish(
    system: System, *, rate: float, seconds: float, meanwhile: Callable[[], None] | None = None
) -> int:
    """Send events, and do `meanwhile` once they flow; the number of the last one."""
    arguments = ["--rate", str(rate), "--seconds", str(seconds)]
    arguments += ["--job", system.job_id] if system.job_id else []
    with subprocess.Popen(
        [sys.executable, *system.source, *arguments],
        cwd=ROOT,
        env={**os.environ, **system.environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as source:
        assert source.stdout is not None
        if source.stdout.readline().strip() != "began":
            raise SystemExit(f"{system.name}: nothing was published.")
        if meanwhile is not None:
            meanwhile()
        return int(source.stdout.readline())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--database", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--parts", default="latency,knee,flood,faults")
    options = parser.parse_args()
    if options.database == "both":
        # A process each: Django takes one database for life.
        shared = [f"--{name}={getattr(options, name)}" for name in ("seconds", "rounds", "parts")]
        runs = [
            subprocess.run(
                [sys.executable, "-m", "bench.events", f"--database={name}", *shared], cwd=ROOT
            )
            for name in ("sqlite", "postgres")
        ]
        return max(run.returncode for run in runs)
    installation = Installation(database=options.database, settings="bench.settings")
    redis = Redis(str(installation.folder))
    redis.start()
    try:
        systems = build(installation, redis, options.database)
        for system in systems:
            system.web.start()
        print(TERMS)
        missed: list[str] = []
        parts = options.parts.split(",")
        if "latency" in parts:
            missed += latency(systems, options)
        if "knee" in parts:
            knee(systems, options)
        if "flood" in parts:
            missed += flood(systems, options)
        if "faults" in parts:
            missed += faults(systems, redis, options)
        if missed:
            print(f"MISSED: {', '.join(missed)}")
        return 1 if missed else 0
    finally:
        installation.close()
        redis.stop()


def build(installation: Installation, redis: Redis, database: str) -> list[System]:
    from django.contrib.auth import get_user_model
    from rest_framework_simplejwt.tokens import AccessToken

    user = get_user_model().objects.create_superuser(username="bench", password="bench-bench")
    token: Any = AccessToken.for_user(user)
    # Valid for the whole run: what is measured is not logging in.
    token.set_exp(from_time=token.current_time, lifetime=timedelta(hours=6))
    systems = [
        ours(installation, f"Tapedeck, {database}", user, str(token), {}),
        ours(
            installation,
            f"Tapedeck, {database}, Redis hints",
            user,
            str(token),
            {"REDIS_URL": redis.url},
        ),
    ]
    for layer in ("core", "pubsub"):
        environment = {
            "BENCH_REDIS": redis.url,
            "BENCH_LAYER": layer,
            "DJANGO_SETTINGS_MODULE": "",
        }
        web = Web(
            installation,
            ["-b", "127.0.0.1", "-p", "PORT", "-v", "0", "bench.peers.groups:application"],
            ("-m", "daphne"),
            **environment,
        )
        source = ["-m", "bench.peers.groups"]
        systems.append(System(f"group messages, {layer}", web, source, environment))
    return systems


def ours(
    installation: Installation, name: str, user: Any, token: str, environment: dict[str, str]
) -> System:
    from django.utils import timezone

    from jobs.models import Job, Status

    now = timezone.now()
    job = Job.objects.create(
        kind="bench.noop",
        owner=user,
        created_at=now,
        started_at=now,
        status=Status.RUNNING,
        attempt=1,
        # No worker runs here, so nobody reaps it; the lease only has to be set.
        lease_until=now + timedelta(days=1),
    )
    web = Web(installation, ["runweb", "--port", "PORT"], ("manage.py",), **environment)
    return System(
        name,
        web,
        ["-m", "bench.event_source"],
        environment,
        path=f"/ws/jobs/?job={job.pk}",
        token=token,
        resume=True,
        job_id=str(job.pk),
    )


def latency(systems: list[System], options: argparse.Namespace) -> list[str]:
    """p50 and p95 from publish to client."""
    p50: dict[tuple[str, int], list[float]] = defaultdict(list)
    p95: dict[tuple[str, int], list[float]] = defaultdict(list)
    for number in range(options.rounds):
        turn = number % len(systems)
        for clients in (1, 50, 500):
            for system in systems[turn:] + systems[:turn]:
                with crowd(system, clients=clients) as watching:
                    last = publish(system, rate=5, seconds=options.seconds)
                    figures = watching.stop(last)
                p50[system.name, clients].append(figures["p50_ms"])
                p95[system.name, clients].append(figures["p95_ms"])
    print(f"{'5 events/s: p50/p95 ms at':<34} {'1 client':>14} {'50':>14} {'500':>14}")
    for system in systems:
        cells = " ".join(
            f"{statistics.median(p50[system.name, n]):>7.1f}/{statistics.median(p95[system.name, n]):<6.1f}"
            for n in (1, 50, 500)
        )
        print(f"{system.name:<34} {cells}", flush=True)
    mine = statistics.median(p95[systems[0].name, 500])
    print(f"p95 with 500 clients: {mine:.0f} ms (aim < {AIM_P95_MS:.0f})", flush=True)
    return ["p95 with 500 clients"] if mine >= AIM_P95_MS else []


def knee(systems: list[System], options: argparse.Namespace) -> None:
    """Where 500 clients stop being served in time."""
    for system in systems:
        told = []
        for rate in KNEE_RATES:
            with crowd(system, clients=500) as watching:
                figures = watching.stop(publish(system, rate=rate, seconds=options.seconds / 2))
            lost = f", {figures['lost']:.0f} lost" if figures["lost"] else ""
            told.append(f"{rate}/s {figures['p95_ms']:.0f} ms{lost}")
            if figures["p95_ms"] > KNEE_MS:
                break
        print(f"knee, 500 clients, p95: {system.name}: {'; '.join(told)}", flush=True)


def flood(systems: list[System], options: argparse.Namespace) -> list[str]:
    """As many as it can to 50 clients: deliveries a second until the last client has the last event."""
    rates: dict[str, list[float]] = defaultdict(list)
    lost: dict[str, float] = defaultdict(float)
    for number in range(options.rounds):
        turn = number % len(systems)
        for system in systems[turn:] + systems[:turn]:
            with crowd(system, clients=50) as watching:
                figures = watching.stop(publish(system, rate=0, seconds=options.seconds / 2))
            rates[system.name].append(figures["per_s"])
            lost[system.name] += figures["lost"]
    for system in systems:
        print(
            f"flood, 50 clients: {system.name}: {statistics.median(rates[system.name]):,.0f} "
            f"deliveries/s, {lost[system.name]:.0f} lost"
        )
    missed = []
    for peer in systems[2:]:
        ratios = [
            own / other for own, other in zip(rates[systems[0].name], rates[peer.name], strict=True)
        ]
        ratio = statistics.median(ratios)
        print(f"deliveries/s against {peer.name}: {ratio:.1f} (aim {AIM_FLOOD:.0f})", flush=True)
        missed += [f"flood against {peer.name}"] if ratio < AIM_FLOOD else []
    missed += ["events lost in the flood"] if lost[systems[0].name] else []
    return missed


def faults(systems: list[System], redis: Redis, options: argparse.Namespace) -> list[str]:
    """20 clients, 50 events a second, while something breaks: what is missing or came twice."""
    missed = []
    for system in systems:
        for fault in ("reconnects", "web killed", "Redis restarted"):
            if fault == "Redis restarted" and not any(
                "redis" in v for v in system.environment.values()
            ):
                continue
            with crowd(
                system, clients=20, drop_every=0.05 if fault == "reconnects" else 0
            ) as watching:
                last = publish(
                    system,
                    rate=50,
                    seconds=options.seconds,
                    meanwhile=partial(_break, fault, system, redis, options.seconds),
                )
                figures = watching.stop(last)
            print(
                f"{fault:<16} {system.name:<34} {figures['lost']:>6.0f} lost, "
                f"{figures['repeated']:.0f} repeated, {figures['reconnects']:.0f} reconnects",
                flush=True,
            )
            if system.job_id and (figures["lost"] or figures["repeated"]):
                missed.append(f"{system.name}: {fault}")
    return missed


def _break(fault: str, system: System, redis: Redis, seconds: float) -> None:
    time.sleep(seconds / 4)
    if fault == "web killed":
        system.web.kill()
        system.web.start()
    elif fault == "Redis restarted":
        redis.stop()
        time.sleep(0.5)
        redis.start()


if __name__ == "__main__":
    sys.exit(main())
