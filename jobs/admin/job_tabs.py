"""Keeping and removing tabs of the job list."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from jobs import audit
from jobs.admin.job_filters import PARAMETERS
from jobs.models import SavedTab

MOST = 20
NAME_MAX = 40
QUERY_MAX = 1000


def save_tab(request: HttpRequest) -> HttpResponse:
    """POST name, query → back to the list, with the tab or with why there is none."""
    pairs = [
        (name, value)
        for name, value in parse_qsl(str(request.POST.get("query", "")))
        if name in PARAMETERS and value
    ]
    query = urlencode(sorted(pairs, key=lambda pair: PARAMETERS.index(pair[0])))
    name = " ".join(str(request.POST.get("name", "")).split())
    mine = SavedTab.objects.filter(owner_id=request.user.pk)
    if not 1 <= len(name) <= NAME_MAX:
        messages.error(request, f"A tab's name has 1 to {NAME_MAX} characters.")
    elif not query or len(query) > QUERY_MAX:
        messages.error(request, "Filter the list first: a tab keeps the filters.")
    elif mine.count() >= MOST:
        messages.error(request, f"You have {MOST} tabs, the most there can be; remove one first.")
    else:
        by = cast(User, request.user)
        with transaction.atomic():
            tab, new = SavedTab.objects.update_or_create(
                owner=by,
                name=name,
                defaults={"query": query},
                create_defaults={"query": query, "created_at": timezone.now()},
            )
            audit.record(action="tab.save", by=by, target=tab, data={"query": query})
        said = f"Kept as the tab {name}." if new else f"The tab {name} shows this now."
        messages.success(request, said)
    return HttpResponseRedirect(_list(query))


def remove_tab(request: HttpRequest, tab_id: int) -> HttpResponse:
    """POST → the tab is gone; the list stays as it is."""
    tab = get_object_or_404(SavedTab, pk=tab_id, owner_id=request.user.pk)
    forget_tab(tab=tab, by=cast(User, request.user))
    messages.success(request, f"Removed the tab {tab.name}.")
    return HttpResponseRedirect(_list(""))


@transaction.atomic
def forget_tab(*, tab: SavedTab, by: User) -> None:
    audit.record(action="tab.remove", by=by, target=tab, data={"query": tab.query})
    tab.delete()


def _list(query: str) -> str:
    where: Any = reverse("admin:jobs_job_changelist")
    return f"{where}?{query}" if query else str(where)
