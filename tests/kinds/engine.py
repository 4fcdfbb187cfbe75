"""Kinds for the engine's tests and benches."""

import faulthandler
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import connection
from rest_framework import serializers

from jobs import artifacts
from jobs.models import Job
from jobs.registry import ActionRefused, KindAction, job_kind
from jobs.running import Cancelled, JobFailed, RunningJob, workdir_of


class Nothing(serializers.Serializer[Any]):
    pass


class Seconds(serializers.Serializer[Any]):
    seconds = serializers.FloatField(default=30)
    mark = serializers.CharField(default="", allow_blank=True)


class Text(serializers.Serializer[Any]):
    text = serializers.CharField(default="")
    secret = serializers.CharField(default="", write_only=True)


@job_kind("test.noop", options=Nothing)
def noop(job: RunningJob) -> None:
    """Do nothing."""


@job_kind("test.reports", options=Text)
def reports(job: RunningJob) -> dict[str, Any]:
    """Use every way to report."""
    for done in range(1, 6):
        job.progress(done, 5, "pages")
    job.event("page.read", number=1, text="a\0b")
    job.log("one")
    job.log("two", stream="detail")
    job.metric("pages", 5)
    job.artifact("notes/a.txt", b"hello", kind="text")
    (job.workdir / "b.json").write_text("{}")
    job.artifact("b.json", job.workdir / "b.json", kind="data")
    return {"text": job.options["text"], "secret": len(job.options["secret"])}


@job_kind("test.sleeps", options=Seconds, timeout_s=60, max_attempts=3, backoff_s=0.1)
def sleeps(job: RunningJob) -> dict[str, Any]:
    """Sleep inside the worker, and cooperate."""
    until = time.monotonic() + job.options["seconds"]
    while time.monotonic() < until:
        job.check_cancelled()
        time.sleep(0.02)
    return {"slept": job.options["seconds"]}


@job_kind("test.deaf", options=Seconds, timeout_s=60)
def deaf(job: RunningJob) -> None:
    """Sleep inside the worker without asking whether to end."""
    time.sleep(job.options["seconds"])


@job_kind("test.hurries", options=Seconds, timeout_s=1)
def hurries(job: RunningJob) -> None:
    """Take longer than one second, inside the worker."""
    time.sleep(job.options["seconds"])


@job_kind("test.refuses", options=Text)
def refuses(job: RunningJob) -> None:
    """Fail for a known reason."""
    job.artifact("why.txt", b"because", kind="text")
    raise JobFailed("too_blue", "It is too blue.", result={"blue": 7})


@job_kind("test.errs", options=Nothing, max_attempts=3, backoff_s=0.1)
def errs(job: RunningJob) -> None:
    """Raise what nobody expects, leaving an artifact each time."""
    job.artifact("trace.txt", f"attempt {job.attempt}".encode(), kind="text")
    raise ZeroDivisionError("by zero")


@job_kind("test.recovers", options=Nothing, max_attempts=3, backoff_s=0.1)
def recovers(job: RunningJob) -> dict[str, int]:
    """Fail once, then succeed."""
    job.artifact("out.txt", f"attempt {job.attempt}".encode(), kind="text")
    if job.attempt == 1:
        raise JobFailed("not_yet", "Not yet.", retry=True)
    return {"attempt": job.attempt}


@job_kind("test.limited", options=Seconds, concurrency=2)
def limited(job: RunningJob) -> None:
    """At most two at once."""
    time.sleep(job.options["seconds"])


def _shout(job: Job, payload: Mapping[str, Any], by: Any) -> str:
    if payload["word"] == "no":
        raise ActionRefused("It will not say no.")
    return f"{by.get_username()}: {payload['word'].upper()}"


class Word(serializers.Serializer[Any]):
    loud_word = serializers.CharField(source="word", max_length=10)


def _adopted(original: Job, child: Job) -> None:
    if child.options["mark"] == "only child":
        raise ActionRefused("There can be only one.")


@job_kind(
    "test.acts",
    options=Seconds,
    actions=(KindAction(name="shout", label="Shout", payload=Word, run=_shout),),
    on_rerun=_adopted,
)
def acts(job: RunningJob) -> None:
    """Have an action of its own."""


@job_kind("test.indirect", options=Nothing, submit_by="ask tests.kinds.")
def indirect(job: RunningJob) -> None:
    """Not to be submitted directly."""


@job_kind("test.full", options=Nothing)
def full(job: RunningJob) -> None:
    """Store more than the file size limit of the process allows: a real OSError from a real disk."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    job.artifact("small.txt", b"fits", kind="text")
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, limits[1]))
    try:
        job.artifact("large.bin", b"x" * 1024 * 1024, kind="data")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


# What a body starts and abandons: a program in a session of its own that ignores SIGTERM.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
if os.fork(): os._exit(0)
os.setsid()
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(300)
"""


def abandon_program(job: RunningJob) -> int:
    """Start STUBBORN detached from everything; its process id."""
    note = job.workdir / "pid"
    subprocess.run([sys.executable, "-c", STUBBORN, str(note)], check=True, start_new_session=True)
    while not (note.exists() and note.read_text()):
        time.sleep(0.005)
    return int(note.read_text())


def keep_what_is_there(job: Job, attempt: int) -> None:
    left = workdir_of(job_id=job.id, attempt=attempt) / "draft.txt"
    if left.exists():
        artifacts.add(job_id=job.id, attempt=attempt, path="draft.txt", source=left, kind="text")


@job_kind(
    "test.isolated",
    options=Seconds,
    isolated=True,
    timeout_s=60,
    max_attempts=1,
    salvage=keep_what_is_there,
)
def isolated(job: RunningJob) -> dict[str, Any]:
    """Say who one is, leave a detached program behind, sleep deaf to SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (job.workdir / "draft.txt").write_text("half a thought")
    print("to stdout")
    print("to stderr", file=sys.stderr)
    job.log("to the log")
    job.event(
        "body.started",
        pid=os.getpid(),
        program=abandon_program(job),
        environment=sorted(os.environ),
    )
    time.sleep(job.options["seconds"])
    return {"pid": os.getpid(), "queries": connection.vendor}


@job_kind("test.isolated_polite", options=Seconds, isolated=True, timeout_s=60, cancel_grace_s=10)
def isolated_polite(job: RunningJob) -> dict[str, Any]:
    """Save something when asked to end."""
    until = time.monotonic() + job.options["seconds"]
    job.event("body.started", pid=os.getpid())
    try:
        while time.monotonic() < until:
            job.check_cancelled()
            time.sleep(0.02)
    except Cancelled:
        job.artifact("saved.txt", b"in time", kind="text")
        job.event("body.saved")
        raise
    return {}


@job_kind(
    "test.isolated_slow_saver", options=Seconds, isolated=True, timeout_s=60, cancel_grace_s=30
)
def isolated_slow_saver(job: RunningJob) -> None:
    """Take its time over saving something when asked to end."""
    job.event("body.started", pid=os.getpid())
    try:
        while True:
            job.check_cancelled()
            time.sleep(0.02)
    except Cancelled:
        job.event("body.saving")
        time.sleep(job.options["seconds"])
        job.event("body.saved")
        raise


@job_kind("test.isolated_fast", options=Nothing, isolated=True, max_attempts=60, backoff_s=0.02)
def isolated_fast(job: RunningJob) -> dict[str, int]:
    """An isolated body that only returns."""
    return {"pid": os.getpid()}


@job_kind("test.isolated_hurries", options=Nothing, isolated=True, timeout_s=1)
def isolated_hurries(job: RunningJob) -> None:
    """Take longer than one second, isolated."""
    time.sleep(60)


@job_kind("test.isolated_dies", options=Nothing, isolated=True, max_attempts=2, backoff_s=0.1)
def isolated_dies(job: RunningJob) -> None:
    """Die like a fault in C code."""
    job.artifact("before.txt", b"before", kind="text")
    faulthandler.disable()  # pytest's would fill the report with this death
    os.kill(os.getpid(), signal.SIGSEGV)


@job_kind("test.isolated_hungry", options=Nothing, isolated=True, memory_mb=1024, max_attempts=1)
def isolated_hungry(job: RunningJob) -> None:
    """Ask for more memory than there may be."""
    bytearray(4 * 1024 * 1024 * 1024)


@job_kind("test.isolated_floods", options=Nothing, isolated=True)
def isolated_floods(job: RunningJob) -> None:
    """Write far more output than is kept."""
    for _ in range(70):
        print("x" * 100_000)
    print("y" * 1000)


@job_kind("test.effect", options=Seconds, max_attempts=60, backoff_s=0.02)
def effect(job: RunningJob) -> None:
    """Work a little, then have an effect that commits with the success."""
    time.sleep(job.options["seconds"])
    job.artifact("effect.txt", str(job.attempt).encode(), kind="text")


@job_kind("test.isolated_effect", options=Seconds, max_attempts=60, backoff_s=0.02, isolated=True)
def isolated_effect(job: RunningJob) -> None:
    """The same in a body of its own that also starts a detached program."""
    program = abandon_program(job)
    if job.options["mark"]:
        Path(job.options["mark"]).joinpath(str(program)).touch()
    time.sleep(job.options["seconds"])
    job.artifact("effect.txt", str(job.attempt).encode(), kind="text")
