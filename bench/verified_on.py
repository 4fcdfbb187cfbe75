"""Record, verify and replay flows on pages that nobody here wrote, through the console's public interfaces.

    ./run                                   # in another terminal
    npm pack …                              # what each flow needs is printed where it is missing
    ADMIN_PASSWORD=… python -m bench.verified_on --console http://127.0.0.1:8000 --npm FOLDER [flow …]

FOLDER holds the unpacked packages: `FOLDER/<name>/package/…`. Each flow is recorded by the
live protocol (docs/live-protocol.md) as a program may do it, stopped, verified by the job
itself and then replayed once more as a job of its own. Prints a table for docs/verified-on.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

import httpx

from bench.foreign_flows import FLOWS, Flow
from bench.foreign_sites import django_admin, make_pages
from tests.recorder.live_client import LiveClient

ENDED = {"succeeded", "failed", "cancelled"}
STATE_TIMEOUT_S = 180


@dataclass
class Outcome:
    flow: Flow
    steps: int = 0
    whole: bool = False
    verdict: str = ""
    replay: str = ""
    took_s: float = 0
    notes: list[str] = field(default_factory=list)

    def row(self) -> str:
        notes = "; ".join(note.replace("|", "\\|").replace("\n", " ") for note in self.notes)
        return (
            f"| {self.flow.name} | {self.flow.what} | {self.steps}{'' if self.whole else ', not all'} | {self.verdict} | {self.replay} "
            f"| {self.took_s:.0f} | {notes} |"
        )


class Console:
    """The console's API, as curl would use it."""

    def __init__(self, url: str, password: str) -> None:
        self.url = url.rstrip("/")
        self._password = password
        self._http = httpx.AsyncClient(base_url=self.url, timeout=30, trust_env=False)

    async def login(self) -> str:
        """A fresh access token: they end after ten minutes."""
        answer = await self._http.post(
            "/api/auth/login", json={"username": "admin", "password": self._password}
        )
        answer.raise_for_status()
        token: str = answer.json()["access"]
        self._http.headers["Authorization"] = f"Bearer {token}"
        return token

    async def post(self, path: str, body: object = None) -> dict[str, Any]:
        answer = await self._http.post(path, json=body if body is not None else {})
        if answer.is_error:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:300]}")
        found: dict[str, Any] = answer.json()
        return found

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self._http.get(path)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def until(self, path: str, wanted: set[str], key: str) -> dict[str, Any]:
        deadline = monotonic() + STATE_TIMEOUT_S
        while (found := await self.get(path))[key] not in wanted:
            if monotonic() > deadline:
                raise TimeoutError(f"{path} is still {found[key]}")
            await asyncio.sleep(0.25)
        return found


async def record(console: Console, flow: Flow, url: str) -> Outcome:
    """Record `flow`, wait for its verdict, and replay it."""
    outcome, started = Outcome(flow), monotonic()
    token = await console.login()
    begun = await console.post(
        "/api/recorder/sessions", {"url": url, "flowName": flow.name, "options": {}}
    )
    session = f"/api/recorder/sessions/{begun['sessionId']}"
    job = f"/api/jobs/{begun['jobId']}"
    try:
        await console.until(session, {"recording", "failed"}, "state")
        address = (
            f"{console.url.replace('http', 'ws', 1)}/ws/recorder/sessions/{begun['sessionId']}/live"
        )
        async with LiveClient(address, headers={"Authorization": f"Bearer {token}"}) as live:
            await flow.drive(live, url)
            # The recorder waits half a second for a second click.
            await asyncio.sleep(1)
            outcome.steps = len(live.kept())
            missing = set(flow.needs) - set(live.actions())
            if missing:
                outcome.notes.append(f"not recorded: {', '.join(sorted(missing))}")
            outcome.whole = not missing
            outcome.notes += [
                f"step flagged {', '.join(step['flags'])}: {step['action']} {step['params']}"
                for step in live.kept()
                if step["flags"]
            ]
    except Exception as error:  # noqa: BLE001 - whatever stops a flow is its outcome, and printed
        traceback.print_exc()
        outcome.notes.append(f"while recording: {type(error).__name__}: {str(error)[:300]}")
    if (await console.get(job))["status"] not in ENDED:
        await console.post(f"{session}/stop")
    ended = await console.until(job, ENDED, "status")
    found = await console.get(session)
    outcome.verdict = found["state"]
    if found["state"] != "verified":
        reason = found.get("verdictReason") or ended["error"]
        outcome.notes.append(f"step {found.get('failingStep')}: {reason[:400]}")
    await console.login()
    if found["state"] in ("verified", "not_verified"):
        again = await console.post(f"{session}/replay")
        replayed = await console.until(f"/api/jobs/{again['jobId']}", ENDED, "status")
        outcome.replay = replayed["status"]
        if replayed["status"] != "succeeded" and outcome.verdict == "verified":
            outcome.notes.append(f"replay: {replayed['reason']} {replayed['error'][:300]}")
    outcome.took_s = monotonic() - started
    return outcome


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        """Nobody reads it."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


async def run(console: Console, flows: list[Flow], npm: Path) -> list[Outcome]:
    outcomes = []
    make_pages(npm)
    with served(npm) as packages, django_admin() as admin:
        for flow in flows:
            base = admin if flow.package == "" else packages
            if flow.package and not list(npm.glob(f"{flow.package}/package")):
                print(f"{flow.name}: {npm}/{flow.package}/package is missing", file=sys.stderr)
                continue
            path = flow.path.replace("{package}", f"{flow.package}/package")
            outcome = await record(console, flow, f"{base}{path}")
            outcomes.append(outcome)
            print(outcome.row(), flush=True)
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--console", default="http://127.0.0.1:8000")
    parser.add_argument("--npm", type=Path, required=True, help="folder of unpacked packages")
    parser.add_argument("flows", nargs="*", help=f"of: {', '.join(flow.name for flow in FLOWS)}")
    given = parser.parse_args()
    flows = [flow for flow in FLOWS if not given.flows or flow.name in given.flows]
    console = Console(given.console, os.environ["ADMIN_PASSWORD"])
    print(
        "| page | what is done | steps | verdict | replay | s | notes |\n|---|---|---|---|---|---|---|"
    )
    outcomes = asyncio.run(run(console, flows, given.npm.resolve()))
    return 0 if all(outcome.whole and outcome.verdict == "verified" for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
