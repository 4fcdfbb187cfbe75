"""Whose source is whose: everyone sees their own and shared ones, owners and admins change them."""

from __future__ import annotations

from typing import Any

from ingestion.models import Source
from jobs import access


def may_see(*, source: Source, user: Any) -> bool:
    mine = source.shared or source.owner_id == getattr(user, "pk", None)
    return access.may_see(user) and (mine or access.is_admin(user))


def may_change(*, source: Source, user: Any) -> bool:
    return access.may_do(user) and (source.owner_id == user.pk or access.is_admin(user))


def check_may_change(*, source: Source, by: Any) -> None:
    """:raises jobs.access.NotAllowed: `by` is no operator, or the source is another's."""
    access.check_may_do(by=by)
    if not may_change(source=source, user=by):
        raise access.NotAllowed(
            "This source is shared with you to search in; only its owner or an admin may change it."
        )
