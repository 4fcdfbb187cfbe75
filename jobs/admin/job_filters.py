"""The job list's filters: each is in the address, and works on an index or within one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from jobs import access, console, registry, search
from jobs.models import Job, JobQuerySet, SavedTab

PERIODS = {"1h": ("Last hour", 1), "24h": ("Last 24 hours", 24), "7d": ("Last 7 days", 168)}


class _Filter(admin.SimpleListFilter):
    """Drawn by the list's own bar: there is no list of links."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        return True


class KindFilter(_Filter):
    title = "kind"
    parameter_name = "kind"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class OwnerFilter(_Filter):
    title = "owner"
    parameter_name = "owner"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        if not self.value():
            return queryset
        # The person first: by a plain number the list uses its index on the owner.
        owner = User.objects.filter(username=self.value()).values_list("pk", flat=True).first()
        return queryset.filter(owner_id=owner) if owner is not None else queryset.none()


class TagFilter(_Filter):
    title = "tag"
    parameter_name = "tag"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        tag = self.value()
        if not tag:
            return queryset
        return search.tagged(cast(JobQuerySet, queryset), tag)


class ReasonFilter(_Filter):
    title = "reason"
    parameter_name = "reason"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


class ParentFilter(_Filter):
    title = "started from"
    parameter_name = "parent"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        if not self.value():
            return queryset
        try:
            return queryset.filter(parent_id=UUID(str(self.value())))
        except ValueError:
            return queryset.none()


class PeriodFilter(_Filter):
    title = "period"
    parameter_name = "period"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        period = PERIODS.get(str(self.value()))
        if period is None:
            return queryset
        # By id: a UUIDv7 begins with its time, and the list is ordered by it.
        return queryset.filter(pk__gte=console.id_at(timezone.now() - timedelta(hours=period[1])))


class SinceFilter(_Filter):
    title = "since"
    parameter_name = "since"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        at = moment(self.value())
        return queryset.filter(pk__gte=console.id_at(at)) if at else queryset


class UntilFilter(_Filter):
    title = "until"
    parameter_name = "until"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        at = moment(self.value())
        return queryset.filter(pk__lt=console.id_at(at)) if at else queryset


ALL = (
    "status",
    KindFilter,
    OwnerFilter,
    TagFilter,
    ReasonFilter,
    ParentFilter,
    PeriodFilter,
    SinceFilter,
    UntilFilter,
)
# The parameters that a saved tab keeps.
PARAMETERS = (
    "status__exact",
    "kind",
    "owner",
    "tag",
    "reason",
    "parent",
    "period",
    "since",
    "until",
    "q",
)


def moment(text: str | None) -> datetime | None:
    """A time of the address; one without a zone is the installation's. None: it is no time."""
    try:
        at = parse_datetime(text or "")
        at = timezone.make_aware(at) if at is not None and timezone.is_naive(at) else at
        # Ids hold 48 bits of milliseconds.
        return at if at is not None and at.year >= 1970 else None
    except (ValueError, OverflowError):
        return None


def query_of(request: HttpRequest) -> str:
    """What is filtered now, in one spelling: the same filters are the same text."""
    return urlencode([(name, request.GET[name]) for name in PARAMETERS if request.GET.get(name)])


def bar(request: HttpRequest) -> dict[str, Any]:
    """What the list's own bar of filters shows."""
    given = {name: request.GET.get(name, "") for name in PARAMETERS}
    problems = [
        f"{name.capitalize()} is no time: {given[name]}"
        for name in ("since", "until")
        if given[name] and moment(given[name]) is None
    ]
    owners: list[str] = []
    if access.is_admin(request.user):
        # By the users, not the jobs: few rows, however many jobs there are.
        named = User.objects.filter(is_staff=True).order_by("username")
        owners = list(named.values_list("username", flat=True)[:200])
    return {
        "given": given,
        "kinds": [kind.name for kind in registry.all_kinds()],
        "periods": [(value, word) for value, (word, _) in PERIODS.items()],
        "owners": owners,
        "problems": problems,
        "extra": [
            {"name": name, "word": word, "value": given[name], "url": _without(request, name)}
            for name, word in (("reason", "Reason"), ("parent", "Started from"))
            if given[name]
        ],
        "active": any(value for name, value in given.items() if name != "status__exact"),
    }


def statuses(request: HttpRequest) -> list[dict[str, Any]]:
    """The states as one-click filters that keep what else is filtered, with capped counts."""
    links = []
    # Of all one may see: counting what else is filtered could read the whole table.
    found = counts(request.user)
    for value, word in [("", "All"), *console.STATUS_WORDS.items()]:
        query = request.GET.copy()
        for name in ("p", "status__exact", "e"):
            query.pop(name, None)
        if value:
            query["status__exact"] = str(value)
        links.append(
            {
                "word": word,
                "status": str(value),
                "count": found.get(str(value), ""),
                "url": f"?{query.urlencode()}",
                "current": request.GET.get("status__exact", "") == value,
            }
        )
    return links


def counts(user: Any) -> dict[str, str]:
    """How many jobs `user` may see in each state, up to the cap."""
    return console.counts_by_status(Job.objects.visible_to(user))


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """This person's saved tabs."""
    now = query_of(request)
    return [
        {"pk": tab.pk, "name": tab.name, "url": f"?{tab.query}", "current": tab.query == now}
        for tab in SavedTab.objects.filter(owner_id=request.user.pk)
    ]


def _without(request: HttpRequest, name: str) -> str:
    query = request.GET.copy()
    query.pop(name, None)
    return f"?{query.urlencode()}"
