"""Logs, Sentry and OpenTelemetry, against loopback servers; and nothing of them where nobody asked."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.contrib.auth.models import User

from jobs import context, logs
from jobs.models import Job
from tests.fixtures.database import environment
from tests.fixtures.jobs import Cluster, wait_for, wait_until_ended
from tests.fixtures.web import Web
from tests.jobs.conftest import bearer


class Collector:
    """Takes whatever is posted to it."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        collector = self

        class Takes(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if packed := self.headers.get("Content-Encoding"):
                    # What Sentry's client prefers where it finds it, as beside the bench's peers.
                    module = {"gzip": "gzip", "br": "brotli"}[packed]
                    body = import_module(module).decompress(body)
                collector.taken.append((self.path, body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Tests need no access log."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
        self.address = f"127.0.0.1:{self.server.server_port}"

    def bodies(self, path: str) -> list[bytes]:
        return [body for where, body in list(self.taken) if where.startswith(path)]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    thread = Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def _spans(collector: Collector) -> list[Any]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    found: list[Any] = []
    for body in collector.bodies("/v1/traces"):
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                found += scope.spans
    return found


def _attributes(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_one_trace_leads_from_the_request_to_the_attempt(
    database: str,
    owner: User,
    cluster: Callable[..., Cluster],
    collector: Collector,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{collector.address}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    web = Web(database, tmp_path / "web.log")
    web.start()
    try:
        running = cluster(workers=1)
        trace = "0af7651916cd43dd8448eb211c80319c"
        answer = httpx.post(
            f"{web.url}/api/jobs",
            json={"kind": "test.noop", "options": {}},
            headers={
                "Authorization": bearer(owner),
                "traceparent": f"00-{trace}-b7ad6b7169203331-01",
            },
        )
        assert answer.status_code == 202, answer.text
        job = Job.objects.get()
        assert job.trace_parent.split("-")[1] == trace
        wait_until_ended(job)
        running.stop()
        wait_for(lambda: {"job test.noop"} <= {span.name for span in _spans(collector)})
        spans = {span.name: span for span in _spans(collector)}
        request, attempt = spans["POST api-jobs"], spans["job test.noop"]
        assert {request.trace_id.hex(), attempt.trace_id.hex()} == {trace}
        assert attempt.parent_span_id == request.span_id
        assert request.parent_span_id.hex() == "b7ad6b7169203331"
        assert _attributes(request)["http.response.status.code"] == 202
        assert _attributes(attempt)["tapedeck.job.id"] == str(job.pk)
        assert _attributes(attempt)["tapedeck.job.outcome"] == "succeeded"
    finally:
        web.kill()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_sentry_hears_of_unexpected_errors_without_their_variables(
    database: str,
    owner: User,
    cluster: Callable[..., Cluster],
    collector: Collector,
) -> None:
    from jobs import services

    running = cluster(workers=1, SENTRY_DSN=f"http://public@{collector.address}/1")
    job = services.submit(kind="test.errs", options={}, by=owner)
    wait_until_ended(job)
    running.stop()
    wait_for(lambda: any(b"ZeroDivisionError" in body for body in collector.bodies("/api/1/")))
    lines = b"\n".join(collector.bodies("/api/1/")).splitlines()
    events = [json.loads(line) for line in lines if b'"exception"' in line]
    assert events[0]["tags"]["job_id"] == str(job.pk)
    assert events[0]["release"].startswith("tapedeck@")
    frames = events[0]["exception"]["values"][0]["stacktrace"]["frames"]
    assert not any("vars" in frame for frame in frames)


UNUSED = {
    *("sentry_sdk", "opentelemetry", "redis", "aiohttp", "httpx", "numpy", "xlsxwriter"),
    *("jsonschema", "django.test", "jobs.admin.jobs", "config.urls"),
}


def test_without_settings_nothing_is_imported(tmp_path: Path) -> None:
    """Nor what only some installations use, or only who serves pages, searches or fetches: each
    start would pay for it.

    (The Redis client imports OpenTelemetry's SDK by itself where it finds it.)
    """
    code = (
        "import django, sys; django.setup()\n"
        "from jobs import telemetry\n"
        "assert telemetry.trace_parent() == ''\n"
        "with telemetry.span('x', attributes={}) as span: span.note(a_b=1); span.fail('x')\n"
        "telemetry.flush()\n"
        "import jobs.management.commands.runworkers\n"
        f"print(sorted({UNUSED} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATA_DIR": str(tmp_path),
        },
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_workers_json_lines_bear_the_jobs_id(
    database: str, owner: User, cluster: Callable[..., Cluster]
) -> None:
    from jobs import services

    running = cluster(workers=1, LOG_FORMAT="json")
    job = services.submit(kind="test.errs", options={}, by=owner)
    wait_until_ended(job)
    running.stop()
    lines = [json.loads(line) for line in running.log.read_text().splitlines() if line]
    [first, *_] = [line for line in lines if line.get("jobId") == str(job.pk)]
    assert (first["level"], first["attempt"]) == ("ERROR", 1)
    assert "ZeroDivisionError" in first["exception"]


def test_lines_bear_the_requests_id() -> None:
    record = logging.LogRecord("a", logging.WARNING, __file__, 1, "said\n%s", ("x",), None)
    line = logs.LineFormatter("{levelname} {ids}{message}", style="{")
    with context.serving(context.Context(request_id="0123456789")):
        shown = json.loads(logs.JsonFormatter().format(record))
        assert shown["requestId"] == "0123456789"
        assert shown["message"] == "said\nx"
        assert "\n" not in logs.JsonFormatter().format(record)
        assert line.format(record) == "WARNING [request 0123456789] said\nx"
    assert line.format(record) == "WARNING said\nx"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_everything_that_up_says_is_json_where_that_is_asked_for(
    tmp_path: Path, db: None, database: str
) -> None:
    log = tmp_path / "up.log"
    process = Cluster(
        database, "up", "--only", "workers", "--queue", "default", log=log, LOG_FORMAT="json"
    )
    try:
        wait_for(lambda: "The workers are ready" in log.read_text(), timeout_s=60)
    finally:
        process.stop()
        process.end()
    for line in log.read_text().splitlines():
        assert {"at", "level", "logger", "message"} <= set(json.loads(line)), line


def test_a_log_format_that_is_none_stops_the_start() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=settings.BASE_DIR,
        env={**environment("sqlite:///x"), "LOG_FORMAT": "xml"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "LOG_FORMAT='xml' is neither line nor json" in done.stderr
