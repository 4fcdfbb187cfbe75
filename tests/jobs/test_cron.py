"""Cron expressions: what is refused, and times across changes of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs import cron

BEFORE_SPRING = datetime(2026, 3, 28, 12, tzinfo=UTC)
BEFORE_AUTUMN = datetime(2026, 10, 24, 23, tzinfo=UTC)


def _upcoming(expression: str, after: datetime, count: int) -> list[str]:
    times = cron.upcoming(
        expression=expression, zone_name="Europe/Berlin", after=after, count=count
    )
    return [at.isoformat() for at in times]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 2,4,6,9,11 *", "never fires"),
        ("61 * * * *", "Bad minute"),
        ("* * * * FUN", "Bad day-of-week"),
        ("hello", "This has 1"),
        ("@daily", "This has 1"),
        ("0 0 12 * * *", "This has 6"),
        ("", "This has 0"),
        ("*/0 * * * *", "Bad minute"),
        ("1 " * 70, "At most 120"),
    ],
)
def test_what_never_fires_or_can_not_be_read_is_refused(expression: str, said: str) -> None:
    with pytest.raises(cron.BadCron, match=said):
        cron.check(expression=expression, zone_name="UTC", now=BEFORE_SPRING)


@pytest.mark.parametrize("name", ["Mars/Base", "", "../../etc/passwd", "CET\0", "europe/berlin"])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(cron.BadTimeZone, match="is no time zone"):
        cron.check(expression="* * * * *", zone_name=name, now=BEFORE_SPRING)


def test_the_29th_of_february_is_far_but_comes() -> None:
    assert _upcoming("0 0 29 2 *", BEFORE_SPRING, 2) == [
        "2028-02-29T00:00:00+01:00",
        "2032-02-29T00:00:00+01:00",
    ]


def test_a_time_that_the_clocks_skip_runs_once_they_have_changed() -> None:
    assert _upcoming("30 2 * * *", BEFORE_SPRING, 2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


def test_a_time_that_comes_twice_runs_once() -> None:
    assert _upcoming("30 2 * * *", BEFORE_AUTUMN, 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_every_hour_follows_the_clock_through_the_change() -> None:
    assert _upcoming("30 * * * *", BEFORE_AUTUMN, 4) == [
        "2026-10-25T01:30:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:30:00+01:00",
    ]


@pytest.mark.parametrize("expression", ["30 2 * * *", "30 * * * *", "*/20 2 * * *", "0 3 * * SUN"])
@pytest.mark.parametrize("start", [BEFORE_SPRING, BEFORE_AUTUMN])
def test_backwards_finds_what_forwards_found(expression: str, start: datetime) -> None:
    until = start + timedelta(days=2)
    forwards = []
    at = start
    while (
        at := cron.next_after(expression=expression, zone_name="Europe/Berlin", after=at)
    ) <= until:
        forwards.append(at)
    backwards = cron.earlier(
        expression=expression, zone_name="Europe/Berlin", until=until, since=start, most=1000
    )
    assert list(reversed(backwards)) == forwards
    assert forwards


def test_a_moment_that_is_due_counts_as_past() -> None:
    due = datetime(2026, 11, 1, 6, tzinfo=UTC)
    found = cron.earlier(expression="0 6 * * *", zone_name="UTC", until=due, since=due, most=5)
    assert found == [due]
    assert cron.next_after(expression="0 6 * * *", zone_name="UTC", after=due) == due + timedelta(1)


def test_words() -> None:
    assert cron.worded("30 6 * * MON-FRI") == "At 06:30 on Monday through Friday"
