"""GET /metrics, for Prometheus."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client.exposition import choose_encoder

from jobs import metrics, scrapers
from jobs.api.problem import problem_response


@require_safe
def scrape(request: HttpRequest) -> HttpResponse:
    """All metrics in the text format that the scraper accepts.

    For callers on this machine, and for those who bear METRICS_TOKEN.
    """
    if not scrapers.may_scrape(request):
        refusal = problem_response(
            status=403,
            code="metrics_refused",
            detail="Metrics are for this machine alone, and for who sends `Authorization: Bearer "
            "<METRICS_TOKEN>`.",
        )
        refusal["Cache-Control"] = "no-store"
        return refusal
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    answer = HttpResponse(encode(metrics.REGISTRY), content_type=content_type)
    answer["Cache-Control"] = "no-store"
    return answer
