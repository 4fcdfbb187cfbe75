"""How a schedule is told: how it stands, its next and last runs, and the buttons of its verbs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs import console, schedules
from jobs.models import Schedule, ScheduleRun

RUNS = 10


@dataclass(frozen=True)
class Verb:
    """A button: its word, what the message says when it is done, and what its title says."""

    word: str
    done: str
    icon: str
    about: str


VERBS = {
    "run": Verb("Run now", "run", "play_arrow", "Submit its job once more, besides its times"),
    "pause": Verb("Pause", "paused", "pause", "Submit nothing until it is resumed"),
    "resume": Verb("Resume", "resumed", "resume", "Go on from now; nothing is made up for"),
}


def now_card(row: Schedule, *, may_change: bool) -> dict[str, Any]:
    """What the card above a schedule's form shows."""
    level, word, why = standing(row)
    last = schedules.last_run(row)
    runs = row.runs.select_related("job", "by").order_by("-id")[:RUNS]
    history = reverse("admin:jobs_schedulerun_changelist")
    return {
        "state": format_html('<span class="td-level" data-level="{}">{}</span>', level, word),
        "why": why,
        "next": console.when(None if row.paused else row.next_at),
        "last": run_line(last) if last else "never",
        "upcoming": [(console.when(at), in_words(at)) for at in _upcoming(row)],
        "history": [run_line(run) for run in runs],
        "history_url": f"{history}?schedule__id__exact={row.pk}",
        "verbs": verbs_of(row) if may_change else [],
    }


def standing(row: Schedule) -> tuple[str, str, str]:
    """Level, word and reason of how a schedule stands now."""
    problem = schedules.problem_of(row)
    if row.paused:
        return "warn", "Paused", problem or row.pause_reason or "By hand; nothing is submitted."
    return ("bad", "Can not run", problem) if problem else ("ok", "Active", "")


def verbs_of(row: Schedule) -> list[dict[str, str]]:
    """What can be done with it as it stands."""
    return [
        {
            "word": verb.word,
            "icon": verb.icon,
            "help": verb.about,
            "url": reverse("admin:jobs_schedule_do", args=[row.pk, name]),
        }
        for name, verb in VERBS.items()
        if name == "run" or (name == "resume") == row.paused
    ]


def _upcoming(row: Schedule) -> list[datetime]:
    return [datetime.fromisoformat(text) for text in schedules.upcoming(row)]


def in_words(at: datetime) -> str:
    """`Thursday 26 November 2026, 03:17`, in the zone that `at` has, with its distance to UTC."""
    return f"{at:%A} {at.day} {at:%B %Y, %H:%M} (UTC{at:%z})"


def run_line(run: ScheduleRun) -> SafeString:
    """One line: when, what became of it, and the way to its job."""
    said: str | SafeString = run.outcome if not run.note else f"{run.outcome}: {run.note}"
    if run.job_id:
        url = reverse("admin:jobs_job_change", args=[run.job_id])
        what = console.chip(run.job) if run.job else "its job"
        said = format_html('<a class="td-link" href="{}">{}</a>', url, what)
    hand = f" by {run.by.get_username()}" if run.by else ""
    trigger = f" ({run.get_trigger_display()}{hand})" if run.trigger != "time" else ""
    return format_html("{} {}{}", console.when(run.due_at), said, trigger)
