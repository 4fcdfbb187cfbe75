"""Starting the session process as the job does, for tests that need no job around it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from recorder.session.tickets import issue
from recorder.vault import Vault
from tests.recorder.live_client import LiveClient

KEY = "test-live-key"
ROOT = Path(__file__).resolve().parents[2]


class SessionProcess:
    """`async with SessionProcess(url, folder) as session: async with session.viewer() as live: …`"""

    def __init__(
        self, url: str, folder: Path, *, env: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        self.folder = folder
        self.vault_key = Vault.new_key()
        self._config = {
            "session": "test",
            "url": url,
            "workdir": str(folder),
            "key": KEY,
            "vaultKey": self.vault_key,
            # A path is where to start from, a flag whether to keep it at the end.
            "storageState": options.pop("storage_state")
            if isinstance(options.get("storage_state"), str)
            else "",
            "options": options,
        }
        self._env = dict(env or {})
        self.lines: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stderr = (self.folder.parent / f"{self.folder.name}.stderr").open("wb")
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "recorder.session",
            cwd=ROOT,
            env={**os.environ, "EGRESS_PRIVATE": "1", **self._env},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self.stderr,
            limit=16 * 1024 * 1024,
        )
        self.send(self._config)
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reading
        self.stderr.close()

    def send(self, line: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(line).encode() + b"\n")

    async def line(
        self, type: str, *, timeout_s: float = 30, fits: Callable[[Any], bool] = lambda one: True
    ) -> dict[str, Any]:
        """The first line of this type that fits, waiting for it."""
        for _ in range(int(timeout_s / 0.02)):
            for one in self.lines:
                if one["type"] == type and fits(one):
                    return one
            if self._reading.done():
                break
            await asyncio.sleep(0.02)
        raise AssertionError(f"No line {type!r}: {self.lines[-5:]}\n{self.errors()}")

    def errors(self) -> str:
        return Path(self.stderr.name).read_text()[-4_000:]

    async def viewer(
        self, viewer: str = "v1", *, user: str = "ada", control: bool = True, auto_ack: bool = True
    ) -> LiveClient:
        """A client that is yet to be entered."""
        started = await self.line("started")
        ticket = issue(key=KEY, viewer=viewer, user=user, control=control)
        return LiveClient(started["address"], headers={"Authorization": ticket}, auto_ack=auto_ack)

    async def stop(self, *, how: str = "stop", timeout_s: float = 60) -> int:
        """Stop, save, and the exit code."""
        self.send({"type": how})
        return await asyncio.wait_for(self.process.wait(), timeout_s)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))
