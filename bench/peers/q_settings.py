"""Plain django-q2 as its documentation sets it up; BENCH_Q names the broker."""

import os

from bench.settings import *  # noqa: F403
from bench.settings import DATABASES

Q_CLUSTER = {"name": "bench", "workers": 2, "timeout": 60, "retry": 120}
if os.environ.get("BENCH_Q") == "redis":
    Q_CLUSTER["redis"] = os.environ["BENCH_REDIS"]
else:
    Q_CLUSTER["orm"] = next(iter(DATABASES))
