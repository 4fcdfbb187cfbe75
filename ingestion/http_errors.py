"""Why an address could not be had: one typed error, whose words say what can be done."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.egress import EgressRefused, NameNotFound

# OpenSSL's X509_V_ERR_…: https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/
_CERTIFICATES = {
    9: ("certificate_not_yet_valid", "its certificate is not valid yet. Check both clocks."),
    10: ("certificate_expired", "its certificate has expired. Whoever runs it has to renew it."),
    18: (
        "certificate_untrusted",
        "its certificate is signed by itself, so nobody vouches for it. Install one from an "
        "authority, or add its own to what this machine trusts (SSL_CERT_FILE).",
    ),
    62: (
        "certificate_wrong_name",
        "its certificate is for another name. Use the name that it was issued for.",
    ),
    64: (
        "certificate_wrong_name",
        "its certificate is not for this address. Use the name that it was issued for.",
    ),
    **dict.fromkeys(
        (2, 19, 20, 21),
        (
            "certificate_untrusted",
            "its certificate comes from an authority that this machine does not know, or the chain "
            "to it is not sent in full. For a company's own authority: set SSL_CERT_FILE to its file.",
        ),
    ),
}
_STATUS = {
    400: ("bad_request", "does not understand the request"),
    401: ("login_needed", "asks for a login, or does not accept the one that was given"),
    403: ("forbidden", "refuses this to whoever asks with these credentials"),
    404: ("not_found", "has nothing there"),
    407: ("proxy_login_needed", "stands behind a proxy that asks for a login"),
    408: ("timed_out", "waited too long for the request"),
    410: ("gone", "says that this has been removed for good"),
    429: ("too_many_requests", "was asked too often in too short a time"),
    451: ("unavailable_for_legal_reasons", "may not show this for legal reasons"),
}
# What the egress policy says (`jobs.egress`), and not the other side.
REFUSED = frozenset(
    {
        *("scheme_refused", "host_invalid", "port_refused", "metadata_refused"),
        *("own_port_refused", "private_refused", "address_unusable", "url_invalid"),
        "credentials_in_url",
    }
)
# What a second try, later, may mend.
RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})


class FetchFailed(Exception):
    """It could not be had: `code` is stable, `message` says why and what to do.

    `retryable`: the same request may work later. `status` is what the server answered, if it
    did; `retry_after_s` how long it wants to be left alone.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.status = status
        self.retry_after_s = retry_after_s


def status_problem(url: str, status: int, *, retry_after_s: float | None = None) -> FetchFailed:
    """What an answer of 400 and more means."""
    default = "server_failed" if status >= 500 else f"http_{status}"
    words = "failed to answer; that is its own fault" if status >= 500 else "refuses this"
    code, said = _STATUS.get(status, (default, words))
    wait = f" It asks to wait {retry_after_s:.0f} s." if retry_after_s else ""
    return FetchFailed(
        code,
        f"{host_of(url)} {said} (HTTP {status}).{wait}",
        retryable=status in RETRYABLE,
        status=status,
        retry_after_s=retry_after_s,
    )


def host_of(url: str) -> str:
    """The host of `url` as shown to people: never its path or query, which may hold secrets."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2] or url


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turns what the transport and the policy raise into `FetchFailed`."""
    host = host_of(url)
    try:
        yield
    except EgressRefused as error:
        raise FetchFailed(error.code, error.message) from error
    except NameNotFound as error:
        raise FetchFailed("name_not_found", str(error), retryable=True) from error
    except Exception as error:
        failed = _of_transport(host, error)
        if failed is None:
            raise
        raise failed from error


def _of_transport(host: str, error: Exception) -> FetchFailed | None:
    """What this error of the HTTP libraries means; None: it is none of theirs."""
    # Here, for who raised them has imported them: no process that fetches nothing pays for them.
    import aiohttp
    import httpx

    if isinstance(error, httpx.InvalidURL | aiohttp.InvalidURL):
        return FetchFailed("url_invalid", f"This is not an address: {error}.")
    if isinstance(error, TimeoutError):
        connecting = isinstance(error, aiohttp.ConnectionTimeoutError)
        what = "could not be connected to" if connecting else "sent nothing"
        message = f"{host} {what} within the time allowed."
        return FetchFailed("timed_out", message, retryable=True)
    if isinstance(error, aiohttp.ClientConnectorError):
        return _not_connected(host, error.os_error)
    if isinstance(error, aiohttp.ClientError | OSError):
        said = getattr(error, "message", "") or str(error) or type(error).__name__
        return FetchFailed(
            "connection_broken",
            f"{host} ended the connection in the middle, or does not speak HTTP: {said}.",
            retryable=True,
        )
    return None


def _not_connected(host: str, cause: Exception) -> FetchFailed:
    if isinstance(cause, ssl.SSLCertVerificationError):
        default = (
            "certificate_refused",
            f"its certificate is not accepted: {cause.verify_message}.",
        )
        code, said = _CERTIFICATES.get(cause.verify_code, default)
        return FetchFailed(code, f"{host} is not trusted: {said}")
    if isinstance(cause, ssl.SSLError):
        reason = (cause.reason or str(cause)).lower().replace("_", " ")
        return FetchFailed(
            "tls_failed", f"No encrypted connection to {host} can be agreed on: {reason}."
        )
    number = getattr(cause, "errno", None)
    reason = os.strerror(number).lower() if number and number > 0 else str(cause)
    return FetchFailed("cannot_connect", f"{host} can not be reached: {reason}.", retryable=True)
