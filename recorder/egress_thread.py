"""The filtering proxy for code that runs no event loop: a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from jobs.egress import Policy
from jobs.proxy import FilteringProxy, Upstream


class ProxyThread:
    """`with ProxyThread(...) as proxy`: `proxy.url` serves until the block ends.

    `refused` collects (url, code, message) of every refusal. `upstream` is Playwright's proxy
    setting, the one to go through.

    :raises ValueError: the upstream proxy is not an http:// one.
    """

    def __init__(self, *, upstream: Mapping[str, Any] | None = None) -> None:
        self.refused: list[tuple[str, str, str]] = []
        self.url = ""
        self._proxy = FilteringProxy(
            Policy.from_settings(),
            upstream=Upstream.parse(**upstream) if upstream else None,
            on_refused=lambda url, code, message: self.refused.append((url, code, message)),
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="egress-proxy", daemon=True)

    def __enter__(self) -> ProxyThread:
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._proxy.start(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._proxy.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
