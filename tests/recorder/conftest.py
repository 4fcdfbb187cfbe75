"""Sites to record, and live sessions on them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.recorder.live_client import LiveClient
from tests.recorder.session_process import SessionProcess
from tests.sites import Sites

Record = Callable[..., Any]


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
