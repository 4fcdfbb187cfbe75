"""One-use tickets for websockets: a browser can send no header with one, and no token in its URL."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe

from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from config.models import SocketTicket
from jobs.logins import Standing

LIFE = timedelta(seconds=30)
# How many of one user may wait unused; the oldest go first.
WAITING = 50


@dataclass(frozen=True)
class Ticket:
    """The secret itself, which is kept nowhere, and until when it is good."""

    text: str
    expires_at: datetime


def issue(*, user: User, standing: Standing, now: datetime) -> Ticket:
    """A ticket that opens one websocket within `LIFE`; the socket ends with `standing`."""
    text = token_urlsafe(32)
    SocketTicket.objects.filter(expires_at__lte=now).delete()
    waiting = SocketTicket.objects.filter(user=user).order_by("-id")
    SocketTicket.objects.filter(
        pk__in=list(waiting.values_list("pk", flat=True)[WAITING:])
    ).delete()
    row = SocketTicket.objects.create(
        digest=_digest(text),
        user=user,
        standing=standing.as_json(),
        created_at=now,
        expires_at=now + LIFE,
    )
    return Ticket(text, row.expires_at)


def use(text: str) -> Standing | None:
    """What the ticket stands for, at most once however many ask at the same time; else None."""
    # One statement: whoever deletes the row has used it.
    sql = (
        "DELETE FROM config_socketticket WHERE digest = %s RETURNING user_id, standing, expires_at"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [_digest(text)])
        rows = cursor.fetchall()
    if not rows:
        return None
    user_id, standing, expires_at = rows[0]
    if isinstance(expires_at, str):
        expires_at = datetime.fromisoformat(expires_at)
    if timezone.is_naive(expires_at):
        expires_at = timezone.make_aware(expires_at, timezone.get_fixed_timezone(0))
    if expires_at <= timezone.now():
        return None
    data = json.loads(standing) if isinstance(standing, str) else standing
    return Standing.from_json(user_id=user_id, data=data)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
