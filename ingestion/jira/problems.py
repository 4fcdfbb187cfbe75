"""What goes wrong with Jira, in words of what to do about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ingestion.http import Answer
from ingestion.http_errors import FetchFailed, host_of, status_problem

# Jira's own words are passed on up to this length.
MAX_WORDS = 600


class JiraError(Exception):
    """Jira can not be had, or refuses: `code` for programs, `message` for people.

    `field` is the setting that it is about, empty where it is about none; `retryable`: the same
    may work later.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        field: str = "",
        status: int = 0,
        said: str = "",
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.field = field
        self.status = status
        # Jira's own words, where it gave any.
        self.said = said


def of_connection(error: FetchFailed) -> JiraError:
    """What kept us from an answer at all."""
    about_address = error.code in {"name_not_found", "url_invalid", "cannot_connect", "timed_out"}
    about_address = about_address or error.code.startswith(("certificate", "tls"))
    return JiraError(
        error.code,
        error.message,
        retryable=error.retryable,
        field="base_url" if about_address or error.code.endswith("_refused") else "",
    )


def of_answer(answer: Answer, *, how: str) -> JiraError:
    """What an answer that is no success means. `how` is how we logged in: token, pat, anonymous."""
    said = words_of(answer.body)
    its_words = f' Jira says: "{said}"' if said else ""
    status, host = answer.status, host_of(answer.url)
    if status in {301, 302, 303, 307, 308}:
        return _redirected(answer)
    if status == 401:
        return login_refused(answer.url, how=how, more=its_words)
    if status == 403:
        reason = answer.headers.get("x-authentication-denied-reason", "")
        if "captcha" in reason.lower():
            return JiraError(
                "captcha",
                f"{host} wants a captcha after too many failed logins. Log in there once with a "
                "browser as the same account, then try again.",
                status=status,
                field=_FIELD[how],
            )
        return JiraError(
            "forbidden",
            f"{host} knows this account but refuses it this. It needs the permission Browse "
            "Projects in the projects of the JQL, and this machine's address must be allowed "
            f"where the site has an allowlist.{its_words}",
            status=status,
        )
    if status == 404:
        return JiraError(
            "no_jira_here",
            f"There is no Jira API at this address of {host}. The base URL is what comes before "
            "/browse/ in an issue's address, with a path such as /jira where there is one."
            f"{its_words}",
            status=status,
            field="base_url",
        )
    if status == 410:
        return JiraError(
            "api_removed",
            f"{host} has removed this way to ask: it is Jira Cloud. Set the deployment to cloud, or "
            f"to auto.{its_words}",
            status=status,
            field="deployment",
        )
    if status == 400:
        message = f"{host} refuses the request.{its_words}"
        return JiraError("refused_by_jira", message, status=status, said=said)
    problem = status_problem(answer.url, status, retry_after_s=answer.retry_after_s)
    return JiraError(
        problem.code, problem.message + its_words, retryable=problem.retryable, status=status
    )


def login_refused(url: str, *, how: str, more: str = "") -> JiraError:
    message = _LOGIN[how].format(host=host_of(url)) + more
    return JiraError("login_refused", message, status=401, field=_FIELD[how])


def of_jql(error: JiraError, jql: str) -> JiraError:
    """The JQL was refused: Jira's own words say what is wrong with it."""
    shown = error.said or "It gives no reason."
    return JiraError(
        "jql_refused",
        f'Jira refuses the JQL "{jql[:300]}": {shown}',
        field="jql",
        status=error.status,
        said=error.said,
    )


def not_json(answer: Answer, why: str) -> JiraError:
    host = host_of(answer.url)
    if answer.content_type == "text/html":
        return JiraError(
            "not_an_api",
            f"{host} answers with a web page where Jira's API answers with JSON. A login page in "
            "front of Jira does this, and a base URL that is not Jira's own.",
            field="base_url",
        )
    return JiraError(
        "answer_damaged",
        f"{host} sent an answer that is not the JSON it should be ({why}).",
        retryable=True,
    )


def words_of(body: bytes) -> str:
    """Jira's own error messages in an answer."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(data, Mapping):
        return ""
    found: list[Any] = []
    for name in ("errorMessages", "warningMessages"):
        value = data.get(name)
        found += value if isinstance(value, list) else []
    errors = data.get("errors")
    found += errors.values() if isinstance(errors, Mapping) else []
    found += [data.get("errorMessage"), data.get("message")]
    said = " ".join(dict.fromkeys(each.strip() for each in found if isinstance(each, str)))
    return said.strip()[:MAX_WORDS]


def _redirected(answer: Answer) -> JiraError:
    to = str(answer.headers.get("location", ""))
    if "login" in to.lower():
        return JiraError(
            "login_page",
            f"{host_of(answer.url)} sends us to a login page instead of answering. Something stands "
            "in front of Jira's API that asks for a login of its own; let requests to /rest/ pass.",
            field="base_url",
        )
    return JiraError(
        "redirected",
        f"{host_of(answer.url)} has moved: it redirects to {to.partition('?')[0][:200]}. "
        "Set the base URL to where Jira is now. Credentials are sent nowhere else by themselves.",
        field="base_url",
    )


_LOGIN = {
    "token": (
        "{host} does not accept this e-mail and API token. The token must belong to the account with "
        "this e-mail; it is made in Atlassian's account settings under Security, API tokens, and "
        "ends at its expiry date. A password is not accepted in its place."
    ),
    "pat": (
        "{host} does not accept this personal access token. It may have expired or been revoked: make "
        "a new one in Jira under Profile, Personal Access Tokens. Jira Cloud does not take them: "
        "there it is e-mail and API token."
    ),
    "anonymous": (
        "{host} lets nobody in without a login. Give e-mail and API token (Jira Cloud) or a personal "
        "access token (Server, Data Center)."
    ),
}
_FIELD = {"token": "token", "pat": "pat", "anonymous": "token"}
