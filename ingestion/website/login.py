"""Logging in by a saved state: the cookies that a browser had once somebody had signed in.

The format is Playwright's storage state: {"cookies": […], "origins": […]}.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http.cookiejar import Cookie, CookieJar
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    import httpx

KIND = "storage_state"
MOST_COOKIES = 1000
EXPIRED = (
    "Every cookie of the saved login has expired. Record the login anew and give the new state."
)


class StateUnusable(Exception):
    """There is no saved state that helps; the message says why and what to do."""

    def __init__(self, message: str, *, code: str = "auth_state_unusable") -> None:
        super().__init__(message)
        self.code = code


def state_of(settings: Mapping[str, Any], *, owner_id: int) -> dict[str, Any] | None:
    """The saved state that a source's settings name, where they name one.

    :raises StateUnusable: it can not be had, is none, or has expired.
    """
    if settings.get("auth_job"):
        kept = kept_by_job(UUID(str(settings["auth_job"])), owner_id=owner_id)
    elif not (kept := settings.get("auth_state") or ""):
        return None
    state = parse(kept)
    if _expired(state):
        raise StateUnusable(EXPIRED, code="auth_state_expired")
    return state


def parse(text: str) -> dict[str, Any]:
    """:raises StateUnusable: not a storage state."""
    try:
        state = json.loads(text)
    except ValueError as error:
        raise StateUnusable(f"The saved state is not JSON: {error}.") from error
    cookies = state.get("cookies") if isinstance(state, dict) else None
    if not isinstance(cookies, list) or len(cookies) > MOST_COOKIES:
        raise StateUnusable(
            "The saved state has no list of cookies. Save one with Playwright's "
            "context.storage_state(), or take the storage_state.json of a recording."
        )
    for cookie in cookies:
        texts = (
            [cookie.get(name) for name in ("name", "value", "domain")]
            if isinstance(cookie, dict)
            else []
        )
        if (
            not texts
            or not all(isinstance(each, str) for each in texts)
            or not texts[0]
            or not texts[2]
        ):
            raise StateUnusable("A cookie of the saved state has no name, value or domain.")
    return dict(state)


def cookies_of(state: Mapping[str, Any]) -> httpx.Cookies:
    """The state's cookies, each sent to its own domain and path only."""
    import httpx

    jar = CookieJar()
    for each in state["cookies"]:
        domain, expires = each["domain"].lower(), each.get("expires", -1)
        lasting = isinstance(expires, int | float) and expires > 0
        jar.set_cookie(
            Cookie(
                version=0,
                name=each["name"],
                value=each["value"],
                port=None,
                port_specified=False,
                domain=domain if domain.startswith(".") or "." in domain else f"{domain}.local",
                domain_specified=domain.startswith("."),
                domain_initial_dot=domain.startswith("."),
                path=str(each.get("path") or "/"),
                path_specified=True,
                secure=bool(each.get("secure")),
                expires=int(expires) if lasting else None,
                discard=not lasting,
                comment=None,
                comment_url=None,
                rest={},
            )
        )
    return httpx.Cookies(jar)


def _expired(state: Mapping[str, Any]) -> bool:
    """Whether every cookie that had an end has come to it."""
    ends = [each.get("expires", -1) for each in state["cookies"]]
    numbers = [each for each in ends if isinstance(each, int | float)]
    return bool(numbers) and all(0 < each < time.time() for each in numbers)


def kept_by_job(job_id: UUID, *, owner_id: int) -> str:
    """The state that a job of this owner (a recording, mostly) has kept as an artifact.

    :raises StateUnusable: it kept none, or is somebody else's.
    """
    from jobs import artifacts
    from jobs.models import Artifact

    kept = (
        Artifact.objects.filter(job_id=job_id, job__owner_id=owner_id, kind=KIND, visible=True)
        .order_by("-id")
        .first()
    )
    if kept is None:
        raise StateUnusable(
            "No job of yours with this id has kept a storage state. Record the login once with "
            "“storage state” on, and give the id of that recording's job."
        )
    with artifacts.open_artifact(kept) as source:
        data: bytes = source.read()
    return data.decode("utf-8", "replace")
