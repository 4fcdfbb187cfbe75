"""Kill -9 at random while jobs run: nothing may be lost, have a double effect, or stay behind.

    python -m bench.chaos [--jobs 500] [--database sqlite|postgres|both] [--seed 1]

Half of the jobs run inside the workers, half in isolated bodies of which each abandons a detached
program that ignores SIGTERM. Victims are workers, pusher, monitor, sentinel, cluster main, guardians,
bodies and now and then `manage.py up` itself, which is started again. The exit code is 1 on any violation.
"""

import argparse
import collections
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from bench.installation import ROOT, Installation

KILL_EVERY_S = (0.1, 0.6)
# How likely each is the next victim. The upper three cost a start of Python and Django each.
WEIGHTS = {
    "parent": 3,
    "cluster main": 2,
    "sentinel": 2,
    "worker": 40,
    "pusher or monitor": 25,
    "guardian": 10,
    "body": 18,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--database", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout-s", type=float, default=900)
    options = parser.parse_args()
    if options.database == "both":
        # A process each: Django takes one database for life.
        codes = []
        for database in ("sqlite", "postgres"):
            arguments = [
                "--jobs",
                str(options.jobs),
                "--database",
                database,
                "--seed",
                str(options.seed),
            ]
            arguments += ["--timeout-s", str(options.timeout_s)]
            codes.append(
                subprocess.run(
                    [sys.executable, "-m", "bench.chaos", *arguments], cwd=ROOT
                ).returncode
            )
        return max(codes)
    installation = Installation(
        database=options.database,
        settings="tests.settings",
        WORKERS="3",
        BROWSER_WORKERS="1",
        LEASE_S="6",
        PORT="0",
    )
    try:
        return Chaos(installation, options).run()
    finally:
        installation.close()


class Chaos:
    def __init__(self, installation: Installation, options: argparse.Namespace) -> None:
        self._installation = installation
        self._options = options
        self._random = random.Random(options.seed)
        self._kills: collections.Counter[str] = collections.Counter()
        self._seen: dict[int, psutil.Process] = {}
        self._marks = installation.folder / "marks"
        self._marks.mkdir()

    def run(self) -> int:
        started_at = time.monotonic()
        self._submit()
        self._start()
        finished = self._kill_until_done()
        took_s = time.monotonic() - started_at
        self._installation.stop(self._parent)
        return self._report(finished, took_s)

    def _start(self) -> None:
        self._parent = self._installation.start("up", "--only", "workers", "--queue", "default")

    def _submit(self) -> None:
        from django.contrib.auth import get_user_model

        from jobs import services

        owner = get_user_model().objects.create_superuser(username="chaos")
        for number in range(self._options.jobs):
            seconds = round(self._random.uniform(0, 0.12), 3)
            if number % 2:
                options = {"seconds": seconds, "mark": str(self._marks)}
                services.submit(kind="test.isolated_effect", options=options, by=owner)
            else:
                services.submit(kind="test.effect", options={"seconds": seconds}, by=owner)

    def _open(self) -> int:
        from jobs.models import Job

        return Job.objects.filter(status__in=["queued", "running"]).count()

    def _kill_until_done(self) -> bool:
        deadline = time.monotonic() + self._options.timeout_s
        while self._open():
            if time.monotonic() > deadline:
                return False
            time.sleep(self._random.uniform(*KILL_EVERY_S))
            if self._parent.poll() is not None:
                self._start()
            self._kill_one()
        return True

    def _kill_one(self) -> None:
        by_role: dict[str, list[psutil.Process]] = {}
        for role, process in self._roles():
            by_role.setdefault(role, []).append(process)
        role = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if role not in by_role or "worker" not in by_role:
            return  # still starting: killing only beginners would test nothing else
        victim = self._random.choice(by_role[role])
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            return
        self._kills[role] += 1

    def _roles(self) -> list[tuple[str, psutil.Process]]:
        """Every process of the installation with what it is, told from its place in the tree."""
        found: list[tuple[str, psutil.Process]] = []
        workers = self._worker_pids()
        try:
            found.append(("parent", psutil.Process(self._parent.pid)))
            for main in self._children(psutil.Process(self._parent.pid)):
                found.append(("cluster main", main))
                for sentinel in self._children(main):
                    found.append(("sentinel", sentinel))
                    for child in self._children(sentinel):
                        # Workers are forked first, then the monitor, then the pusher; who is
                        # neither in the table of workers nor has children is one of the two.
                        role = "worker" if child.pid in workers else "pusher or monitor"
                        found.append((role, child))
                        for guardian in self._children(child):
                            found.append(("guardian", guardian))
                            found += [("body", body) for body in self._children(guardian)]
        except psutil.NoSuchProcess:
            return found
        self._seen.update((process.pid, process) for _, process in found)
        return found

    @staticmethod
    def _children(process: psutil.Process) -> list[psutil.Process]:
        try:
            return process.children()
        except psutil.NoSuchProcess:
            return []

    def _worker_pids(self) -> set[int]:
        from jobs.models import Worker

        return set(Worker.objects.values_list("pid", flat=True))

    def _report(self, finished: bool, took_s: float) -> int:
        from django.db.models import Count, Q

        from jobs.models import Artifact, Attempt, Job, JobEvent

        succeeded = Job.objects.filter(status="succeeded").count()
        ended_twice = (
            Job.objects.annotate(
                ends=Count("attempts", filter=Q(attempts__outcome="succeeded"), distinct=True),
                shown=Count("artifacts", filter=Q(artifacts__visible=True), distinct=True),
            )
            .exclude(ends=1, shown=1)
            .count()
        )
        gaps = sum(
            list(JobEvent.objects.filter(job=job).order_by("seq").values_list("seq", flat=True))
            != list(range(1, job.last_seq + 1))
            for job in Job.objects.all()
        )
        ended_at = time.monotonic()
        orphans = self._orphans()
        while orphans and time.monotonic() - ended_at < 5:
            time.sleep(0.1)
            orphans = self._orphans()
        stored = [
            path for path in (self._installation.folder / "artifacts").rglob("*") if path.is_file()
        ]
        left = [*self._leftovers()]
        facts: dict[str, Any] = {
            "database": self._options.database,
            "seed": self._options.seed,
            "jobs": self._options.jobs,
            "executions": Attempt.objects.count(),
            "kills": self._kills.total(),
            "of which": ", ".join(f"{count} {role}" for role, count in sorted(self._kills.items())),
            "watchdog restarts": self._installation.log().count("stands still"),
            "seconds": round(took_s, 1),
        }
        violations = {
            "unfinished": self._open() if not finished else 0,
            "lost (not succeeded)": self._options.jobs - succeeded,
            "double or missing effect": ended_twice,
            "event gaps": gaps,
            "orphan processes": len(orphans),
            "stray artifact files": len(stored) - Artifact.objects.filter(visible=True).count(),
            "left-over folders": len(left),
        }
        for name, value in {**facts, **violations}.items():
            print(f"{name:<26} {value}")
        bad = {name: value for name, value in violations.items() if value}
        print("OK" if not bad else f"VIOLATED: {bad}", flush=True)
        if bad:
            print(self._installation.log()[-6000:], file=sys.stderr)
            for pid in orphans:
                print(
                    "orphan",
                    pid,
                    psutil.Process(pid).as_dict(["cmdline", "ppid", "status"]),
                    file=sys.stderr,
                )
        return 1 if bad else 0

    def _orphans(self) -> list[int]:
        """Processes of the installation that still run although everything was stopped."""
        programs = {int(mark.name) for mark in self._marks.iterdir()}
        found = []
        for process in psutil.process_iter():
            if process.pid == os.getpid():
                continue
            try:
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                ours = str(self._marks.parent) in " ".join(process.environ().values())
                postgres = process.name() == "postgres"
                if (
                    (ours and not postgres)
                    or self._seen.get(process.pid) == process
                    or (
                        process.pid in programs and "time.sleep(300)" in " ".join(process.cmdline())
                    )
                ):
                    found.append(process.pid)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def _leftovers(self) -> list[Path]:
        """Work folders that nobody will look at again; what a kill left is swept at the next start."""
        subprocess.run(
            [
                sys.executable,
                "-c",
                "import django; django.setup(); from jobs.queue.folders import sweep; sweep()",
            ],
            cwd=ROOT,
            check=True,
        )
        return [
            *(self._installation.folder / "work").glob("*"),
            *(self._installation.folder / "incoming").glob("*"),
        ]


if __name__ == "__main__":
    sys.exit(main())
