"""SQL for the database's own clock: hosts disagree about the time, one database does not."""

from functools import lru_cache

from jobs import statements


def now_sql(*, plus_s: float = 0) -> str:
    """An SQL expression for now, `plus_s` seconds later, comparable with stored times."""
    return _now(statements.vendor(), plus_s)


# Bounded: a retry's wait is a new number every time.
@lru_cache(maxsize=64)
def _now(vendor: str, plus_s: float) -> str:
    if vendor == "sqlite":
        # The spelling in which Django stores datetimes, so that comparing text compares time.
        return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '{plus_s:+.3f} seconds')"
    if plus_s:
        return f"clock_timestamp() + interval '{plus_s:.3f} seconds'"
    return "clock_timestamp()"
