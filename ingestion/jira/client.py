"""Requests to one Jira: logged in, patient, and with errors that say what to do."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ingestion.http import Answer, BlockingClient, Limits
from ingestion.http_errors import RETRYABLE, FetchFailed
from ingestion.jira import problems
from jobs.egress import Policy

JSON_LIMITS = Limits(max_bytes=64_000_000, connect_s=10, silence_s=60, total_s=180)
ATTEMPTS = 6
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
# A site that wants to be left alone for longer ends the sync, whose job tries again later.
LONGEST_RETRY_AFTER_S = 300.0
LOOK_EVERY_S = 0.5

sleep = time.sleep
monotonic = time.monotonic


def _nothing(*_: Any) -> None:
    return None


class Client:
    """One Jira and how we log in there; `with Client(…) as client`.

    `check` is called before each request and twice a second while waiting, and may raise to end
    it; `log` is told of every wait.
    """

    def __init__(
        self,
        *,
        base_url: str,
        policy: Policy,
        email: str = "",
        token: str = "",
        pat: str = "",
        check: Callable[[], None] = _nothing,
        log: Callable[[str], None] = _nothing,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.how = "pat" if pat else "token" if token else "anonymous"
        self._check = check
        self._log = log
        credentials = {}
        if pat:
            credentials["Authorization"] = f"Bearer {pat}"
        elif token:
            pair = base64.b64encode(f"{email}:{token}".encode()).decode()
            credentials["Authorization"] = f"Basic {pair}"
        self._http = BlockingClient(
            policy=policy,
            limits=JSON_LIMITS,
            home=self.base_url,
            credentials=credentials,
            # Without this header Jira takes requests with a browser's cookies for forged ones.
            headers={"Accept": "application/json", "X-Atlassian-Token": "no-check"},
            connections=4,
        )

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.__exit__(kind, error, trace)

    def get(self, path: str, **params: Any) -> Any:
        """The JSON at `path`.

        :raises JiraError: it can not be had, however often one asks.
        """
        return self._asked("GET", path, params=params or None)[0]

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON that Jira answers to `body`. Only for questions: it may be sent twice.

        :raises JiraError: it can not be had.
        """
        return self._asked("POST", path, json=body)[0]

    def get_with_head(self, path: str) -> tuple[Any, Answer]:
        """As `get`, and the answer whose headers say more.

        :raises JiraError: it can not be had.
        """
        return self._asked("GET", path)

    def download(
        self, path: str, *, into: Path, max_bytes: int, attempts: int = ATTEMPTS
    ) -> Answer:
        """Write a file of Jira's to `into`. Where it is elsewhere, credentials do not go along.

        :raises JiraError: it can not be had, or is larger than `max_bytes`.
        """
        limits = Limits(max_bytes=max_bytes, connect_s=10, silence_s=60, total_s=600)
        answer = self._patiently(
            lambda: self._http.get(
                self.base_url + path, into=into, limits=limits, headers={"Accept": "*/*"}
            ),
            attempts=attempts,
        )
        if answer.status >= 300:
            raise problems.of_answer(answer, how=self.how)
        return answer

    def _asked(self, method: str, path: str, **options: Any) -> tuple[Any, Answer]:
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._patiently(
                lambda: self._http.request(method, self.base_url + path, follow=False, **options)
            )
            self._refuse_anonymous(answer)
            if answer.status >= 300:
                raise problems.of_answer(answer, how=self.how)
            try:
                return json.loads(answer.body), answer
            except (ValueError, RecursionError) as error:
                problem = problems.not_json(answer, str(error)[:100])
                if not problem.retryable or attempt == ATTEMPTS:
                    raise problem from error
                self._wait(_backoff(attempt), problem.message)
        raise AssertionError("the last attempt returns or raises")

    def _patiently(self, ask: Callable[[], Answer], *, attempts: int = ATTEMPTS) -> Answer:
        """An answer that is not a passing failure; broken connections, 429 and 5xx are asked again.

        :raises JiraError: it stays so, or has to wait for longer than we do.
        """
        for attempt in range(1, attempts + 1):
            self._check()
            wait = _backoff(attempt)
            try:
                answer = ask()
            except FetchFailed as error:
                problem = problems.of_connection(error)
                if not problem.retryable or attempt == attempts:
                    raise problem from error
            else:
                if answer.status not in RETRYABLE:
                    return answer
                problem = problems.of_answer(answer, how=self.how)
                wanted = answer.retry_after_s
                if attempt == attempts or (wanted or 0) > LONGEST_RETRY_AFTER_S:
                    raise problem
                wait = wait if wanted is None else wanted
            self._wait(wait, problem.message)
        raise AssertionError("the last attempt returns or raises")

    def _wait(self, seconds: float, why: str) -> None:
        self._log(f"{why} Asking again in {seconds:.1f} s.")
        ends_at = monotonic() + seconds
        while (left := ends_at - monotonic()) > 0:
            self._check()
            sleep(min(left, LOOK_EVERY_S))

    def _refuse_anonymous(self, answer: Answer) -> None:
        """Jira may answer 200 and as if to a stranger when it does not accept a login.

        :raises JiraError: it did; what a stranger may not see would look deleted.
        """
        if self.how == "anonymous" or answer.status >= 300:
            return
        reason = answer.headers.get("x-seraph-loginreason", "").upper()
        stranger = answer.headers.get("x-ausername", "").lower() == "anonymous"
        if "FAILED" in reason or "DENIED" in reason or stranger:
            raise problems.login_refused(self.base_url, how=self.how)


def _backoff(attempt: int) -> float:
    wait: float = min(FIRST_WAIT_S * 2 ** (attempt - 1), LONGEST_WAIT_S)
    return wait * (1 + random.random() / 4)
