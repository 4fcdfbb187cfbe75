"""Celery on Redis, acknowledging late: the nearest it comes to not losing jobs."""

import os

from celery import Celery

from bench.peers.marks import mark

app = Celery("bench", broker=os.environ.get("BENCH_REDIS", "redis://127.0.0.1:6379/0"))
app.conf.task_acks_late = True
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True


@app.task
def noop(sent_at: float) -> None:
    mark(sent_at)
