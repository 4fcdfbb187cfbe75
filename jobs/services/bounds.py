"""What a job's own fields may hold: any script, no control characters, bounded sizes."""

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from jobs.services.refusals import InvalidFields

NAME_MAX = 200
TAG_MAX = 50
TAGS_MAX = 20
PRIORITY_MAX = 100
REASON_MAX = 200
KEY_MAX = 200
# A job for later waits in the table; beyond a year it is a mistake more likely than a wish.
RUN_AFTER_MAX = timedelta(days=366)


class Checks:
    """Collects what is wrong with the fields of one request, then says all of it at once."""

    def __init__(self) -> None:
        self.errors: dict[str, list[str]] = {}

    def refuse(self, field: str, message: str) -> None:
        self.errors.setdefault(field, []).append(message)

    def name(self, value: str) -> str:
        """Trimmed; markup is kept as text, for whoever shows it to escape."""
        if not isinstance(value, str):
            self.refuse("name", "Must be text.")
            return ""
        value = value.strip()
        if len(value) > NAME_MAX:
            self.refuse("name", f"At most {NAME_MAX} characters; this has {len(value)}.")
        elif unprintable(value):
            self.refuse("name", "One line, without control characters.")
        return value

    def tags(self, value: Any) -> list[str]:
        """Trimmed, each once, in the order given."""
        if isinstance(value, str) or not isinstance(value, Sequence):
            self.refuse("tags", "Must be a list of texts.")
            return []
        if len(value) > TAGS_MAX:
            self.refuse("tags", f"At most {TAGS_MAX} tags; these are {len(value)}.")
            return []
        tags: dict[str, None] = {}
        for tag in value:
            if not isinstance(tag, str) or not tag.strip():
                self.refuse("tags", "Each tag must be text, and not empty.")
            elif len(tag.strip()) > TAG_MAX:
                self.refuse("tags", f"At most {TAG_MAX} characters a tag: {tag.strip()[:20]!r}…")
            elif "," in tag or unprintable(tag.strip()):
                self.refuse("tags", f"No commas and no control characters: {tag.strip()!r}.")
            else:
                tags[tag.strip()] = None
        return list(tags)

    def priority(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > PRIORITY_MAX:
            self.refuse(
                "priority", f"Must be a whole number from -{PRIORITY_MAX} to {PRIORITY_MAX}."
            )
            return 0
        return value

    def run_after(self, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        if not isinstance(value, datetime) or timezone.is_naive(value):
            self.refuse("runAfter", "Must be a time with its offset, as 2026-11-30T08:00:00Z.")
            return None
        if value - timezone.now() > RUN_AFTER_MAX:
            self.refuse("runAfter", f"At most {RUN_AFTER_MAX.days} days from now.")
        return value

    def idempotency_key(self, value: Any) -> str | None:
        if value is None:
            return None
        if (
            not isinstance(value, str)
            or not 1 <= len(value) <= KEY_MAX
            or not all(33 <= ord(char) <= 126 for char in value)
        ):
            self.refuse(
                "idempotencyKey",
                f"1 to {KEY_MAX} printable ASCII characters without spaces; a UUID does.",
            )
            return None
        return value

    def done(self) -> None:
        """:raises InvalidFields: something was refused."""
        if self.errors:
            raise InvalidFields(self.errors)


def unprintable(text: Iterable[str]) -> bool:
    """Whether `text` holds what can not be shown or stored: controls, line breaks, lone surrogates.

    Format characters stay: joiners are part of how some scripts and emoji are written.
    """
    return any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text)


def reason(text: str) -> str:
    """A reason as it is stored: one line, cut at `REASON_MAX`."""
    printable = "".join(" " if unprintable(char) else char for char in text)
    return " ".join(printable.split())[:REASON_MAX]
