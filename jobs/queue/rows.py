"""Statements that change one job's row and bring the row back."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model

from jobs.models import Job


def changed_job(*, sql: str, params: Sequence[Any]) -> Job | None:
    """Run `UPDATE jobs_job …` (without RETURNING); the changed row, or None where none matched.

    The row comes with `owner_name`, which `job_dto` wants, at no further statement.
    """
    user = get_user_model()
    columns = ", ".join(field.column for field in Job._meta.concrete_fields)
    name = user._meta.get_field(user.USERNAME_FIELD).column
    owner = f"(SELECT {name} FROM {user._meta.db_table} WHERE id = jobs_job.owner_id) AS owner_name"
    for job in Job.objects.raw(f"{sql} RETURNING {columns}, {owner}", list(params)):
        return job
    return None
