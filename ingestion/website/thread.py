"""A crawl in a thread with an event loop of its own, seen from code that has none.

Fetching goes on while the caller indexes what was found; when the caller falls behind, the crawl
waits. Everything that touches the job or the database stays with the caller.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress

from ingestion.content import Seen

# Findings that may wait for the caller.
MOST_WAITING = 64
LOOK_EVERY_S = 0.25

Emit = Callable[[Seen], Awaitable[None]]
Note = Callable[[str], None]
_END = object()


def crawled(
    crawl: Callable[[Emit, Note], Awaitable[None]],
    *,
    note: Note,
    check_cancelled: Callable[[], None],
) -> Generator[Seen, None, None]:
    """What `crawl` emits, as it comes; its lines go to `note`.

    Whatever `crawl` raises is raised here at the end. Closing this, or an exception from
    `check_cancelled` (called a few times a second), ends the crawl and its connections.
    """
    found: queue.SimpleQueue[Seen | str | object] = queue.SimpleQueue()
    problems: list[BaseException] = []
    started: queue.SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = (
        queue.SimpleQueue()
    )
    room = asyncio.Semaphore(MOST_WAITING)

    async def emit(item: Seen) -> None:
        await room.acquire()
        found.put(item)

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        started.put((asyncio.get_running_loop(), task))
        await crawl(emit, found.put)

    def work() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 (raised again by the caller)
            problems.append(error)
        finally:
            found.put(_END)

    thread = threading.Thread(target=work, name="crawl", daemon=True)
    thread.start()
    loop, task = started.get()
    ended = False
    try:
        while True:
            check_cancelled()
            try:
                item = found.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                continue
            if item is _END:
                ended = True
                break
            if isinstance(item, str):
                note(item)
                continue
            _call(loop, room.release)
            yield item  # type: ignore[misc]
    finally:
        if not ended:
            _call(loop, task.cancel)
        thread.join()
    if problems:
        raise _plain(problems[0])


def _call(loop: asyncio.AbstractEventLoop, what: Callable[[], object]) -> None:
    # The crawl may have ended meanwhile, and its loop with it.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(what)


def _plain(error: BaseException) -> BaseException:
    """The first exception that a group of tasks ended with."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
