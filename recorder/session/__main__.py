"""`python -m recorder.session`: one live session, started by the job and ended with it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Playwright

    from jobs.egress import Policy
    from recorder.session.channel import Channel
    from recorder.session.config import Config

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

_PR_SET_PDEATHSIG = 1
# A first page that was stopped before it came; the job waits longer than this for the end.
_STARTS_WITHIN_S = 35.0


def die_with_parent() -> None:
    """The kernel ends this process when the job's body is gone, however that came."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before we asked
        sys.exit(1)


async def main() -> int:
    from playwright.async_api import async_playwright

    from jobs.browser import driver_environment
    from jobs.egress import Policy
    from recorder.adapter import keep_calls_out_of_traces
    from recorder.session.channel import Channel
    from recorder.session.config import BadConfig, Config

    channel = Channel()
    try:
        config = Config.from_json(await channel.first_line())
    except (BadConfig, ValueError) as error:
        channel.send("failed", reason="bad_config", message=str(error))
        return 2
    os.environ.update(driver_environment(scratch=config.scratch))
    os.environ["NODE_OPTIONS"] = f"--require={Path(__file__).with_name('driver_guard.cjs')}"
    policy = Policy.from_settings()
    keep_calls_out_of_traces()
    async with async_playwright() as playwright:
        return await _session(playwright, config, channel, policy)


async def _session(playwright: Playwright, config: Config, channel: Channel, policy: Policy) -> int:
    from recorder.session.live import LiveSession
    from recorder.session.saving import files_of, write_metadata
    from recorder.session.server import LiveServer
    from recorder.session.session_browser import SessionFailed

    live = LiveSession(config=config, channel=channel, policy=policy)
    server = LiveServer(live=live)
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    listening = asyncio.create_task(_commands(channel, stop))
    failure: SessionFailed | None = None
    ended_by = "failed"
    try:
        starting = asyncio.ensure_future(live.start(playwright))
        waited: set[asyncio.Future[Any]] = {starting, stop}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done() and stop.result() == "stopped":
            # A recording begins with its first page: whoever stops this early waits for that.
            await asyncio.wait({starting}, timeout=_STARTS_WITHIN_S)
            if not starting.done():
                starting.cancel()
                raise SessionFailed(
                    "nothing_recorded", "Stopped before the first page was there; it did not come."
                )
        if starting.done():
            starting.result()
            channel.send("started", address=await server.start())
            ending = asyncio.ensure_future(live.ended())
            waited = {ending, stop}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            ended_by = stop.result() if stop.done() else ending.result()
            ending.cancel()
        else:
            starting.cancel()
            ended_by = stop.result()
    except SessionFailed as error:
        failure = error
    try:
        if ended_by != "orphaned":
            await live.save()
            write_metadata(
                live, started_at=started_at, ended_by=failure.reason if failure else ended_by
            )
            for path, kind in files_of(config.workdir):
                channel.send("artifact", path=path, kind=kind)
    except OSError as error:
        failure = failure or SessionFailed(
            "not_written", f"The evidence could not be written: {error}"
        )
    finally:
        await live.close()
        await server.close(failure.reason if failure else ended_by)
        listening.cancel()
    if failure is not None:
        channel.send("failed", reason=failure.reason, message=str(failure))
        return 1
    channel.send("phase", phase="saved", endedBy=ended_by)
    return 0


async def _commands(channel: Channel, stop: asyncio.Future[str]) -> None:
    async for command in channel.commands():
        if command in {"stop", "cancel"} and not stop.done():
            stop.set_result("stopped" if command == "stop" else "cancelled")
    if not stop.done():
        stop.set_result("orphaned")


if __name__ == "__main__":
    die_with_parent()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(main()))
