"""Filters of the recordings' pages."""

from __future__ import annotations

from datetime import datetime

from django import template

from recorder import pages

register = template.Library()


@register.filter
def when(at: datetime | str | None) -> str:
    """A relative time, the absolute one on hover; `at` also as ISO 8601, nothing for None."""
    if not at:
        return ""
    return pages.when(datetime.fromisoformat(at) if isinstance(at, str) else at)
