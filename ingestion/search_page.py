"""The console's search page: a question, its filters, the passages, and how the index is."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from ingestion.index import BadQuery, Filters, Hit, Query, Results, filling, health, places, search
from ingestion.models import Chunk, DocumentKind, Source, SourceKind
from jobs import access, services
from jobs.models import Job

PER_PAGE = 10
ICONS = {
    DocumentKind.PAGE: "public",
    DocumentKind.ISSUE: "bug_report",
    DocumentKind.ATTACHMENT: "attach_file",
    DocumentKind.DOCUMENT: "description",
    DocumentKind.RECORDING: "radio_button_checked",
}
OPENS = {
    DocumentKind.PAGE: "Open the page here",
    DocumentKind.ISSUE: "Open the issue",
    DocumentKind.ATTACHMENT: "Open the attachment",
    DocumentKind.DOCUMENT: "Open the document here",
    DocumentKind.RECORDING: "Open the step",
}
MODES = {"hybrid": "Words and meaning", "words": "Words alone", "meaning": "Meaning alone"}


def show(request: HttpRequest) -> HttpResponse:
    if not access.may_see(request.user):
        raise PermissionDenied
    given = {name: str(value).strip() for name, value in request.GET.items()}
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Search",
        "given": given,
        "modes": MODES,
        "source_kinds": SourceKind.choices,
        "kinds": DocumentKind.choices,
        "sources": Source.objects.visible_to(request.user).filter(deleting=False).order_by("name"),
        "may_embed": access.may_do(request.user),
        "filtered": any(given.get(name) for name in _FILTERS),
        "asked": bool(given.get("q") or given.get("like")),
    }
    if context["asked"]:
        context |= _answer(request, given)
        visible = Source.objects.visible_to(request.user)
        context["nothing_there"] = not Chunk.objects.filter(source__in=visible).exists()
    else:
        # Counting takes longer than searching: not beside every page of results.
        context["health"] = _health(request)
    return TemplateResponse(request, "admin/ingestion/search.html", context)


def embed(request: HttpRequest) -> HttpResponse:
    """POST: queue the job that embeds everything anew."""
    if not access.may_do(request.user):
        raise PermissionDenied
    job = filling.waiting()
    if job is None:
        job = services.submit(kind=filling.KIND, options={}, by=cast(User, request.user))
        messages.success(request, "The index is being embedded anew; searches go on meanwhile.")
    else:
        messages.info(request, "The index is being embedded already.")
    if not Job.objects.visible_to(request.user).filter(pk=job.pk).exists():
        return redirect("console-search")
    return redirect("admin:jobs_job_change", job.pk)


_FILTERS = ("source", "source_kind", "kind", "label", "from", "until")


def _answer(request: HttpRequest, given: dict[str, str]) -> dict[str, Any]:
    offset = int(given.get("offset", "0")) if given.get("offset", "0").isdecimal() else 0
    began = time.perf_counter()
    try:
        query = Query(
            text=given.get("q", ""),
            like=_number(given["like"]) if given.get("like") else None,
            mode=cast(Any, given["mode"]) if given.get("mode") in MODES else "hybrid",
            filters=_filters(given),
            limit=PER_PAGE,
            offset=offset,
        )
        results = search(query=query, user=request.user)
    except BadQuery as error:
        return {"problem": error.message}
    took = (time.perf_counter() - began) * 1000
    return {
        "results": results,
        "hits": [_hit(hit, given) for hit in results.hits],
        "took": f"{took:.0f} ms",
        "mode_words": MODES[results.mode],
        "first": offset + 1,
        "last": offset + len(results.hits),
        "next": _link(given, offset=offset + PER_PAGE) if _turns(results, offset) else "",
        "before": _link(given, offset=max(0, offset - PER_PAGE)) if offset else "",
        "without_filters": _link({k: v for k, v in given.items() if k not in _FILTERS}, offset=0),
    }


def _turns(results: Results, offset: int) -> bool:
    from ingestion.index.query import MAX_OFFSET

    return results.more and offset + PER_PAGE <= MAX_OFFSET


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise BadQuery("like", f"There is no chunk {text[:40]!r}.")
    return int(text)


def _filters(given: dict[str, str]) -> Filters:
    try:
        sources = (UUID(given["source"]),) if given.get("source") else ()
    except ValueError as error:
        raise BadQuery("source", "There is no such source.") from error
    return Filters(
        sources=sources,
        source_kinds=(given["source_kind"],) if given.get("source_kind") in SourceKind else (),
        kinds=(given["kind"],) if given.get("kind") in DocumentKind else (),
        labels=(given["label"],) if given.get("label") else (),
        changed_from=_day(given, "from"),
        changed_until=_day(given, "until", days=1),
    )


def _day(given: dict[str, str], name: str, *, days: int = 0) -> datetime | None:
    if not given.get(name):
        return None
    try:
        return datetime.fromisoformat(given[name]).replace(tzinfo=UTC) + timedelta(days=days)
    except ValueError as error:
        raise BadQuery(name, f"{given[name][:40]!r} is not a day: write 2026-01-31.") from error


def _link(given: dict[str, str], *, offset: int) -> str:
    kept = {name: value for name, value in given.items() if value and name != "offset"}
    return "?" + urlencode({**kept, **({"offset": offset} if offset else {})})


def _hit(hit: Hit, given: dict[str, str]) -> dict[str, Any]:
    document = hit.chunk.document
    kind = DocumentKind(document.kind)
    opens = places.url_of(hit.chunk)
    filters = {name: given[name] for name in _FILTERS if given.get(name)}
    return {
        "chunk": hit.chunk,
        "document": document,
        "source": hit.chunk.source,
        "icon": ICONS[kind],
        "place": places.words_of(hit.chunk),
        "opens": opens if opens.startswith(("http://", "https://", "/")) else "",
        "outside": opens.startswith("http"),
        "open_words": OPENS[kind],
        "snippet": _marked(hit, *hit.snippet),
        "whole": _marked(hit, 0, len(hit.chunk.text))
        if hit.snippet[1] - hit.snippet[0] < len(hit.chunk.text)
        else "",
        "cut_before": hit.snippet[0] > 0,
        "cut_after": hit.snippet[1] < len(hit.chunk.text),
        "like": "?" + urlencode({"like": hit.chunk.pk, **filters}),
        "words": hit.words,
        "meaning": hit.meaning,
    }


def _marked(hit: Hit, low: int, high: int) -> SafeString:
    """`text[low:high]`, what is highlighted in <mark>; all of it escaped."""
    text, at = hit.chunk.text, low
    parts: list[tuple[str, str, str]] = []
    for start, end in hit.highlights:
        if low <= start and end <= high:
            parts.append((text[at:start], text[start:end], ""))
            at = end
    parts.append((text[at:high], "", ""))
    marked = format_html_join("", "{}<mark>{}</mark>{}", parts[:-1])
    return marked + format_html_join("", "{}", [(parts[-1][0],)])


def _health(request: HttpRequest) -> dict[str, Any]:
    found = health.look(user=request.user)
    job = filling.waiting()
    seen = job is not None and Job.objects.visible_to(request.user).filter(pk=job.pk).exists()
    share = 100 * found.embedded // found.total if found.total else 0
    return {
        "found": found,
        "embedding": job,
        "embedding_seen": seen,
        "share": share,
        "by_kind": [(SourceKind(kind).label, n) for kind, n in found.chunks_by_kind.items()],
        "wants_embedding": job is None
        and bool(found.wanted)
        and (found.behind or found.embedded < found.total),
    }
