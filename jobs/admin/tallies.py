"""What was counted since the first job: the source of the counters in /metrics."""

from __future__ import annotations

from django.contrib import admin

from jobs.admin.base import ReadOnly
from jobs.models import Tally, TallyMark


@admin.register(Tally)
class TallyAdmin(ReadOnly):
    list_display = ("what", "kind", "outcome", "count", "retries", "seconds")
    list_display_links = None
    list_filter = ("what",)
    show_facets = admin.ShowFacets.NEVER


@admin.register(TallyMark)
class TallyMarkAdmin(ReadOnly):
    list_display = ("what", "up_to")
    list_display_links = None
    show_facets = admin.ShowFacets.NEVER
