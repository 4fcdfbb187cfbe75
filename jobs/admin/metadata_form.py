"""The fields that every job has, as a form: name, tags, priority, when, sharing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from jobs.admin.option_form import local_text
from jobs.models import Job


class MetadataForm:
    """What was typed, kept as it was typed, and what is wrong with it, by field."""

    def __init__(self, *, job: Job | None = None, priority: int = 0) -> None:
        self.errors: dict[str, list[str]] = {}
        self.values: dict[str, Any] = {
            "name": job.name if job else "",
            "tags": ", ".join(job.tags) if job else "",
            "priority": str(job.priority if job else priority),
            "runAfter": local_text(job.run_after) if job else "",
            "shared": bool(job and job.shared),
        }

    def read(self, posted: QueryDict) -> dict[str, Any]:
        """name, tags, priority, run_after, shared as the services take them.

        What is no number or time is refused here, since the services take only those.
        """
        for name in ("name", "tags", "priority", "runAfter"):
            if name in posted:
                self.values[name] = str(posted[name])
        self.values["shared"] = "shared" in posted
        tags = [tag.strip() for tag in self.values["tags"].split(",")]
        return {
            "name": self.values["name"],
            "tags": [tag for tag in tags if tag],
            "priority": self._priority(),
            "run_after": self._run_after(),
            "shared": self.values["shared"],
        }

    def refuse(self, errors: Mapping[str, Any]) -> None:
        for name, problem in errors.items():
            words = problem if isinstance(problem, list) else [problem]
            self.errors.setdefault(name, []).extend(str(each) for each in words)

    def _priority(self) -> int | None:
        text = self.values["priority"].strip()
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            self.refuse({"priority": ["A whole number, such as 0 or 10."]})
            return None

    def _run_after(self) -> datetime | None:
        text = self.values["runAfter"].strip()
        if not text:
            return None
        try:
            at = parse_datetime(text)
        except ValueError:
            at = None
        if at is None:
            self.refuse({"runAfter": ["A date and a time, such as 2026-11-30T08:00."]})
            return None
        return timezone.make_aware(at) if timezone.is_naive(at) else at
