"""Statements that change one job's row and bring the row back."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import models
from django.db.models.base import ModelState

from jobs.models import Job

_FIELDS = Job._meta.concrete_fields
_NAMES = [field.attname for field in _FIELDS]


def changed_job(*, cursor: Any, sql: str, params: Sequence[Any]) -> Job | None:
    """Run `UPDATE jobs_job …` (without RETURNING); the changed row, or None where none matched.

    The row comes with `owner_name`, which `job_dto` wants, at no further statement.
    """
    cursor.execute(sql + _returning(), params)
    # All of it: SQLite's statement is finished only then.
    rows = cursor.fetchall()
    if not rows:
        return None
    *values, owner_name = rows[0]
    # By hand: a RawQuerySet would take as long again as everything else that a claim does.
    converted = [
        value if value is None or convert is None else convert(value)
        for convert, value in zip(_converters(), values, strict=True)
    ]
    # Nor through the model's constructor, which sets each field by its descriptor.
    job = Job.__new__(Job)
    job.__dict__.update(zip(_NAMES, converted, strict=True), owner_name=owner_name)
    job._state = ModelState()
    job._state.adding, job._state.db = False, "default"
    return job


@cache
def _returning() -> str:
    columns = ", ".join(str(field.column) for field in _FIELDS)
    user = get_user_model()
    name = user._meta.get_field(User.USERNAME_FIELD)
    assert isinstance(name, models.Field)
    owner = f"(SELECT {name.column} FROM {user._meta.db_table} WHERE id = jobs_job.owner_id)"
    return f" RETURNING {columns}, {owner}"


@cache
def _converters() -> list[Callable[[Any], Any] | None]:
    return [_converter(field) for field in _FIELDS]


def _converter(field: Any) -> Callable[[Any], Any] | None:
    target = field.target_field if field.is_relation else field
    if isinstance(target, models.UUIDField):
        return _uuid
    if isinstance(target, models.DateTimeField):
        return to_time
    if isinstance(target, models.BooleanField):
        return bool
    return _json if isinstance(target, models.JSONField) else None


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def to_time(value: Any) -> datetime:
    """A time as a driver returns it: with its zone."""
    parsed: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _json(value: Any) -> Any:
    if value == "{}":
        return {}
    if value == "[]":
        return []
    return json.loads(value) if isinstance(value, str) else value
