"""Errors to Sentry and traces to OpenTelemetry, where the environment names a place for them.

Without SENTRY_DSN and OTEL_EXPORTER_OTLP_ENDPOINT nothing of either is imported, and nothing sent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.conf import settings

from jobs import logs

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from jobs.models import Job

FLUSH_S = 3.0

_sentry = False
_provider: TracerProvider | None = None


def start() -> None:
    """Set up what the settings ask for; called once, when the apps are ready."""
    if settings.SENTRY_DSN:
        _start_sentry()
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        _start_traces()


def _start_sentry() -> None:
    global _sentry
    import sentry_sdk
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        release=f"tapedeck@{_version()}",
        environment=settings.SENTRY_ENVIRONMENT,
        # Local variables and bodies hold options that were just unsealed.
        include_local_variables=False,
        max_request_body_size="never",
        send_default_pii=False,
        traces_sample_rate=None,
        before_send=_with_ids,
        integrations=[LoggingIntegration(level=None, event_level=logging.ERROR)],
    )
    _sentry = True


def _with_ids(event: Any, hint: Any) -> Any:
    ids = logs.origin()
    tags = {"request_id": ids.get("requestId"), "job_id": ids.get("jobId")}
    event.setdefault("tags", {}).update({name: value for name, value in tags.items() if value})
    return event


def _start_traces() -> None:
    global _provider
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": "tapedeck", "service.version": _version()})
    _provider = TracerProvider(resource=resource)
    endpoint = f"{settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip('/')}/v1/traces"
    # After a fork it starts its sending thread anew by itself.
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))


def _version() -> str:
    from jobs.system import program_versions

    return program_versions()["tapedeck"]


def flush() -> None:
    """Send what waits, for at most `FLUSH_S`: for a process that is about to end without ceremony."""
    if _sentry:
        import sentry_sdk

        sentry_sdk.flush(timeout=FLUSH_S)
    if _provider is not None:
        _provider.force_flush(int(FLUSH_S * 1000))


def trace_parent() -> str:
    """The W3C trace context of the span that is open here; empty where there is none."""
    if _provider is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


@contextmanager
def span(
    name: str, *, server: bool = False, parent: str = "", attributes: Mapping[str, Any]
) -> Iterator[Span]:
    """A span around what is done here; without a place to send it to, nothing happens.

    `parent` is the W3C trace context of whoever asked for this.
    """
    if _provider is None:
        yield Span(None)
        return
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    asked = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    kind = SpanKind.SERVER if server else SpanKind.CONSUMER
    tracer = _provider.get_tracer("tapedeck")
    with tracer.start_as_current_span(name, context=asked, kind=kind) as opened:
        opened.set_attributes(dict(attributes))
        yield Span(opened)


class Span:
    """A span that may be none."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened

    def name(self, name: str) -> None:
        if self._opened is not None:
            self._opened.update_name(name)

    def note(self, **attributes: Any) -> None:
        """Attributes that are known only now; underscores stand for dots."""
        if self._opened is not None:
            self._opened.set_attributes(
                {name.replace("_", "."): value for name, value in attributes.items()}
            )

    def fail(self, why: str) -> None:
        if self._opened is not None:
            from opentelemetry.trace import Status, StatusCode

            self._opened.set_status(Status(StatusCode.ERROR, why))


@contextmanager
def attempt(job: Job) -> Iterator[Span]:
    """A span around one attempt, below the span that its job was submitted in."""
    attributes = {
        "tapedeck.job.id": str(job.id),
        "tapedeck.job.kind": job.kind,
        "tapedeck.job.attempt": job.attempt,
        "tapedeck.queue": job.queue,
    }
    with span(f"job {job.kind}", parent=job.trace_parent, attributes=attributes) as opened:
        yield opened
