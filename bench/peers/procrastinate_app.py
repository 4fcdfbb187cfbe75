"""Procrastinate on PostgreSQL."""

import os

import procrastinate

from bench.peers.marks import mark

app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=os.environ.get("DATABASE_URL", "")),
    import_paths=["bench.peers.procrastinate_app"],
)


@app.task(queue="bench")
def noop(sent_at: float) -> None:
    mark(sent_at)
