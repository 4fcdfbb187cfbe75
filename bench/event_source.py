"""A running job that reports: emits events at a rate, or as fast as it can; prints `began` and the last number.

    python -m bench.event_source --job ID --rate 5 --seconds 10

Each event carries when it was sent. The environment is the installation's.
"""

import argparse
import json
import time
from collections.abc import Sequence

WORDS = "The quick brown fox jumps over the lazy dog, and the tape runs on. "


class Pace:
    """When the next event is due, and its text; `rate` 0 is a flood."""

    def __init__(self, *, rate: float, seconds: float) -> None:
        self._rate = rate
        self._began = time.monotonic()
        self._until = self._began + seconds
        self._sent = 0

    def goes_on(self) -> bool:
        self._sent += 1
        return time.monotonic() < self._until

    def pause_s(self) -> float:
        if not self._rate:
            return 0
        return max(0.0, self._began + self._sent / self._rate - time.monotonic())

    def text(self, seq: int) -> str:
        """As long as one of Tapedeck's events is on the wire."""
        body = {
            "jobId": "019a0000-0000-7000-8000-000000000000",
            "seq": seq,
            "type": "bench.said",
            "data": {"words": WORDS, "sent": time.time()},
            "at": "2026-01-01T00:00:00.000Z",
            "attempt": 1,
            "cursor": str(seq),
        }
        return json.dumps(body, separators=(",", ":"))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--job", default="")
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--seconds", type=float, default=5)
    return parser.parse_args(arguments)


def main() -> None:
    import django

    django.setup()
    from uuid import UUID

    from jobs import events

    options = parse(None)
    job_id = UUID(options.job)
    print("began", flush=True)
    pace = Pace(rate=options.rate, seconds=options.seconds)
    last = 0
    while pace.goes_on():
        event = events.emit(
            job_id=job_id,
            type="bench.said",
            data={"words": WORDS, "sent": time.time()},
            attempt=1,
            fence=True,
        )
        last = event.seq
        time.sleep(pace.pause_s())
    print(last, flush=True)


if __name__ == "__main__":
    main()
