"""Sites to record, and live sessions on them."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.recorder.live_client import LiveClient
from tests.recorder.session_process import SessionProcess
from tests.sites import Sites

Record = Callable[..., Any]
ServePage = Callable[[bytes], str]


@pytest.fixture(scope="session")
def sites() -> Iterator[Sites]:
    with Sites() as running:
        yield running


@pytest.fixture
def record(sites: Sites, tmp_path: Path) -> Record:
    """`async with record("form") as (session, live):` a session on that page, and its first viewer."""

    @asynccontextmanager
    async def open_session(
        page: str, **options: Any
    ) -> AsyncIterator[tuple[SessionProcess, LiveClient]]:
        url = page if "://" in page else sites.page(page)
        light = {"trace": False, "har": False, "video": False}
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(
                SessionProcess(url, tmp_path / "work", **{**light, **options})
            )
            live = await stack.enter_async_context(await session.viewer())
            yield session, live

    return open_session


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept_open(
    sites: Sites, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[SessionProcess, LiveClient]]:
    """One session for the tests of a module: starting one takes longer than most of them."""
    folder = tmp_path_factory.mktemp("kept") / "work"
    light = {"trace": False, "har": False, "video": False}
    async with (
        SessionProcess(sites.page("second"), folder, **light) as session,
        await session.viewer() as live,
    ):
        yield session, live


@pytest.fixture
def visit(sites: Sites, kept_open: tuple[SessionProcess, LiveClient]) -> Record:
    """As `record`, in the module's one session: the tab goes to the page, and what was recorded
    before is forgotten. For tests that neither count tabs nor stop."""

    @asynccontextmanager
    async def go(page: str) -> AsyncIterator[tuple[SessionProcess, LiveClient]]:
        session, live = kept_open
        # Leaving waits for the reports of what the test before did last.
        await live.call("navigate", url="about:blank")
        live.forget()
        await live.call("navigate", url=sites.page(page))
        yield session, live

    return go


@pytest.fixture
def serve_page() -> Iterator[ServePage]:
    """`serve_page(html)`: the address of a server that answers everything with this page."""
    with ExitStack() as stack:

        def serve(html: bytes) -> str:
            class Answer(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    self.send_response(200)
                    self.send_header("Content-Type", "text/html")
                    self.send_header("Content-Length", str(len(html)))
                    self.end_headers()
                    self.wfile.write(html)

                def log_message(self, format: str, *arguments: object) -> None:
                    """Quiet."""

            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Answer))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}/"

        yield serve
