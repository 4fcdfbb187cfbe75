"""Cron expressions in a time zone: checked, worded, and their times before and after a moment.

As Debian's cron has it (by cronsim): a time that a change of clocks skips runs when the clocks have
changed, one that comes twice runs once; a `*` in minutes or hours simply follows the clock.
"""

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

MAX_CHARS = 120
# The next time must come within this: what takes longer, nobody means. (29 February can be 8 years off.)
WITHIN = timedelta(days=366 * 9)


class BadCron(ValueError):
    """This is no cron expression, or one that never fires."""


class BadTimeZone(ValueError):
    """There is no such time zone."""


@lru_cache(maxsize=512)
def zone(name: str) -> ZoneInfo:
    """:raises BadTimeZone: not a name of the IANA database, such as `Europe/Berlin`."""
    try:
        if name not in zoneinfo.available_timezones():
            raise KeyError(name)
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise BadTimeZone(
            f"{name[:64]!r} is no time zone. Use a name such as UTC or Europe/Berlin."
        ) from error


def check(*, expression: str, zone_name: str, now: datetime) -> None:
    """:raises BadCron: malformed, or it never fires (soon enough to be meant).
    :raises BadTimeZone: there is no such zone.
    """
    if len(expression) > MAX_CHARS:
        raise BadCron(f"At most {MAX_CHARS} characters.")
    fields = expression.split()
    if len(fields) != 5:
        raise BadCron(
            "Five fields with spaces between: minute, hour, day of month, month, day of week, such "
            f"as `30 6 * * MON-FRI`. This has {len(fields)}."
        )
    next_after(expression=expression, zone_name=zone_name, after=now)


def next_after(*, expression: str, zone_name: str, after: datetime) -> datetime:
    """The first time later than `after`, in UTC.

    :raises BadCron: there is none.
    """
    return next(_later(expression, zone_name, after))


def upcoming(*, expression: str, zone_name: str, after: datetime, count: int = 5) -> list[datetime]:
    """The next times, in the schedule's own zone."""
    where = zone(zone_name)
    found = islice(_later(expression, zone_name, after), count)
    return [at.astimezone(where) for at in found]


def _later(expression: str, zone_name: str, after: datetime) -> Iterator[datetime]:
    times = _times(expression, after.astimezone(zone(zone_name)), backwards=False)
    before = after
    while True:
        at = _next(times, expression)
        # Across a change of clocks a wall time may map to a moment that is not later.
        if at <= before:
            continue
        if at - before > WITHIN:
            raise BadCron(f"`{expression}` does not fire before {(before + WITHIN).year}.")
        before = at
        yield at


def _next(times: CronSim, expression: str) -> datetime:
    try:
        return next(times).astimezone(UTC)
    except (StopIteration, CronSimError, OverflowError) as error:
        raise BadCron(f"`{expression}` never fires: there is no such day.") from error


def earlier(
    *, expression: str, zone_name: str, until: datetime, since: datetime, most: int
) -> list[datetime]:
    """Times from `since` up to and including `until`, the newest first, at most `most`."""
    found: list[datetime] = []
    # A second later, because going backwards starts before the given moment.
    start = (until + timedelta(seconds=1)).replace(microsecond=0)
    times = _times(expression, start.astimezone(zone(zone_name)), backwards=True)
    while len(found) < most:
        at = _next(times, expression)
        if at < since:
            break
        if at <= until and at not in found:
            found.append(at)
    return found


def worded(expression: str) -> str:
    """The expression in words, such as "At 06:30, Monday through Friday"."""
    return CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)).explain()


def _times(expression: str, start: datetime, *, backwards: bool) -> CronSim:
    try:
        return CronSim(expression, start, reverse=backwards)
    except (CronSimError, IndexError, ValueError) as error:
        said = str(error) or "it can not be read"
        hint = " It never fires." if _impossible_day(expression) else ""
        raise BadCron(f"`{expression[:MAX_CHARS]}`: {said}.{hint}") from error


def _impossible_day(expression: str) -> bool:
    """Whether only the combination of day and month is at fault."""
    fields = expression.split()
    try:
        CronSim(" ".join([*fields[:3], "*", *fields[4:]]), datetime(2026, 1, 1, tzinfo=UTC))
    except (CronSimError, IndexError, ValueError):
        return False
    return len(fields) == 5
