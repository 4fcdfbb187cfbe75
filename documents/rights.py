"""Who may change a document: its owner and admins; whom it is shared with may look."""

from __future__ import annotations

from typing import Any

from documents.models import Document
from jobs import access


def check_may_change(*, document: Document, by: Any) -> None:
    """:raises jobs.access.NotAllowed: `by` is no operator, or the document is another's."""
    access.check_may_do(by=by)
    if document.owner_id != by.pk and not access.is_admin(by):
        raise access.NotAllowed(
            "This document is shared with you to look at; only its owner or an admin may change it."
        )


def may_change(*, document: Document, user: Any) -> bool:
    return access.may_do(user) and (document.owner_id == user.pk or access.is_admin(user))
