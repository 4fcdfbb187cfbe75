"""Input to changed picture, and pictures a second, of a live session.

    python bench/live.py --url http://127.0.0.1:8000 --user admin --password …
        through the console's own websocket: starts a recording, measures, stops it
    python bench/live.py --direct
        straight to a session process, without console or job

Aim: p50 under 50 ms. Latency: from sending a click that changes a whole page's colour to having
received the first picture drawn after it that shows the change.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import itertools
import json
import statistics
import sys
import tempfile
import threading
import time
from contextlib import AsyncExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.recorder.live_client import LiveClient
from tests.recorder.session_process import SessionProcess

PAGE = b"""<!doctype html><title>Bench</title><style>html,body{margin:0;height:100%}
#spin{position:fixed;left:40px;top:40px;width:80px;height:80px;background:#333}</style>
<body onpointerdown="document.body.style.background = 'hsl(' + (n = (n + 67) % 360) + ' 80% 60%)'">
<script>let n = 0; if (location.search) { let a = 0; setInterval(() => { a += 7;
spin.style.transform = 'rotate(' + a + 'deg)'; }, 16); }</script><div id=spin></div>"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


async def latencies(live: LiveClient, *, clicks: int) -> list[float]:
    """Milliseconds from a press sent to a changed picture received, one each."""
    found = []
    for number in range(clicks):
        await asyncio.sleep(0.25)  # let the picture of the release come first
        before = len(live.pictures)
        shown = hashlib.sha256(live.pictures[-1].jpeg).digest() if live.pictures else b""
        x, y = 300 + number % 7, 300
        started = time.monotonic()
        await live.send("mouse", kind="down", x=x, y=y)
        changed = None
        while changed is None and time.monotonic() - started < 5:
            for picture in live.pictures[before:]:
                if hashlib.sha256(picture.jpeg).digest() != shown:
                    changed = picture
                    break
            else:
                await asyncio.sleep(0.0005)
        await live.call("mouse", kind="up", x=x, y=y)
        if changed is None:
            raise SystemExit("A press changed nothing within 5 s.")
        found.append((changed.received_s - started) * 1000)
    return found


async def frame_rate(live: LiveClient, *, url: str, seconds: float) -> float:
    await live.call("navigate", url=url + "?spin")
    await asyncio.sleep(1)
    before, started = len(live.pictures), time.monotonic()
    await asyncio.sleep(seconds)
    return (len(live.pictures) - before) / (time.monotonic() - started)


async def measure(live: LiveClient, url: str, *, clicks: int, seconds: float) -> dict[str, float]:
    await live.until(lambda: live.pictures)
    await latencies(live, clicks=3)
    found = sorted(await latencies(live, clicks=clicks))
    numbers = [picture.number for picture in live.pictures]
    return {
        "clicks": clicks,
        "p50_ms": round(statistics.median(found), 1),
        "p95_ms": round(found[int(len(found) * 0.95) - 1], 1),
        "max_ms": round(found[-1], 1),
        "frames_per_s": round(await frame_rate(live, url=url, seconds=seconds), 1),
        "out_of_order": sum(a >= b for a, b in itertools.pairwise(numbers)),
    }


async def direct(arguments: argparse.Namespace, page: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(SessionProcess(page, Path(folder) / "work"))
            live = await stack.enter_async_context(await session.viewer())
            found = await measure(live, page, clicks=arguments.clicks, seconds=arguments.seconds)
            await session.stop()  # else its browser still writes into the folder
            return found


async def console(arguments: argparse.Namespace, page: str) -> dict[str, float]:
    async with httpx.AsyncClient(base_url=arguments.url, timeout=30) as http:
        answer = await http.post(
            "/api/auth/login", json={"username": arguments.user, "password": arguments.password}
        )
        answer.raise_for_status()
        headers = {"Authorization": f"Bearer {answer.json()['access']}"}
        begun = await http.post(
            "/api/recorder/sessions",
            headers=headers,
            json={"url": page, "flowName": "Bench", "options": {"verify": False}},
        )
        begun.raise_for_status()
        session = begun.json()["sessionId"]
        for _ in range(200):
            state = (await http.get(f"/api/recorder/sessions/{session}", headers=headers)).json()
            if state["state"] == "recording":
                break
            await asyncio.sleep(0.2)
        socket = arguments.url.replace("http", "ws", 1) + f"/ws/recorder/sessions/{session}/live"
        try:
            async with LiveClient(socket, headers=headers) as live:
                return await measure(live, page, clicks=arguments.clicks, seconds=arguments.seconds)
        finally:
            await http.post(f"/api/recorder/sessions/{session}/stop", headers=headers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", default="")
    parser.add_argument("--direct", action="store_true")
    parser.add_argument("--clicks", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = f"http://127.0.0.1:{server.server_port}/"
    run = direct if arguments.direct else console
    found = asyncio.run(run(arguments, page))
    print(json.dumps({"through": "process" if arguments.direct else "console", **found}))
    server.shutdown()


if __name__ == "__main__":
    main()
