"""Where the console's pages are found: the sidebar, and the tabs above lists that belong together.

What is in neither is listed on the System page, for admins.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.http import HttpRequest
from django.urls import get_script_prefix, reverse

from jobs import access


@dataclass(frozen=True)
class Page:
    """A line of the sidebar, or a tab. `name`: a URL's name, or a model's label for its list."""

    title: str
    name: str
    icon: str = ""
    admins: bool = False

    @property
    def link(self) -> str:
        return _link(self.name, get_script_prefix())


@lru_cache
def _link(name: str, script_prefix: str) -> str:
    """Twenty of them stand on each page."""
    if "." not in name:
        return reverse(name)
    return reverse(f"admin:{name.replace('.', '_')}_changelist")


SIDEBAR: dict[str, tuple[Page, ...]] = {
    "Work": (
        Page("Dashboard", "admin:index", "dashboard"),
        Page("Search", "console-search", "search"),
        Page("Recordings", "recorder.recordingsession", "radio_button_checked"),
        Page("Jobs", "jobs.job", "list_alt"),
        Page("Documents", "documents.document", "description"),
        Page("Sources", "ingestion.source", "hub"),
        Page("Extractions", "documents.extractionrun", "table_view"),
        Page("Configurations", "documents.configuration", "schema"),
        Page("Schedules", "jobs.schedule", "schedule"),
        Page("Presets", "jobs.preset", "tune"),
    ),
    "Administration": (
        Page("Users", "auth.user", "person", admins=True),
        Page("Policies", "jobs.kindpolicy", "rule_settings", admins=True),
        Page("Retention", "jobs.retentionrule", "auto_delete", admins=True),
        Page("Audit", "jobs.auditentry", "policy", admins=True),
    ),
    "Installation": (
        Page("System", "console-system", "monitor_heart"),
        Page("Workers", "jobs.worker", "memory"),
    ),
}

# The first of each is the one in the sidebar.
TABS: tuple[tuple[Page, ...], ...] = (
    (
        Page("Users", "auth.user", admins=True),
        Page("Roles", "auth.group", admins=True),
        Page("Failed logins", "config.loginfailure", admins=True),
        Page("API logins", "jobs.login", admins=True),
        Page("Preferences", "jobs.preferences", admins=True),
        Page("Socket tickets", "config.socketticket", admins=True),
    ),
    (Page("Sources", "ingestion.source"), Page("Their documents", "ingestion.sourcedocument")),
    (Page("Schedules", "jobs.schedule"), Page("Runs", "jobs.schedulerun")),
    (
        Page("Policies", "jobs.kindpolicy"),
        Page("Recent starts", "jobs.start", admins=True),
        Page("Request limits", "jobs.throttlewindow", admins=True),
    ),
    (Page("Workers", "jobs.worker"), Page("Drained", "jobs.drain")),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The theme's navigation: what this person may use."""
    return [
        {
            "title": title,
            # What the theme's templates look for: what is missing takes long to be found missing.
            **dict.fromkeys(("collapsible", "separator", "badge")),
            "items": [
                {
                    "title": page.title,
                    "icon": page.icon,
                    "link": page.link,
                    **dict.fromkeys(("badge", "link_callback")),
                }
                for page in pages
                if _may_use(page, request)
            ],
        }
        for title, pages in SIDEBAR.items()
    ]


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """The theme's tabs; where only one would be left there are none."""
    found = []
    for pages in TABS:
        usable = [page for page in pages if _may_use(page, request)]
        if len(usable) > 1:
            found.append(
                {
                    "models": [page.name for page in usable],
                    "items": [{"title": page.title, "link": page.link} for page in usable],
                }
            )
    return found


def _may_use(page: Page, request: HttpRequest) -> bool:
    return not page.admins or access.is_admin(request.user)
