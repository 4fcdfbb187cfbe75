"""What a person types into an address bar, as a URL."""

from __future__ import annotations

import re
from ipaddress import ip_address

_SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:")
_HOST_PORT = re.compile(r"^[^/:?#\s]+:\d{1,5}(?:[/?#]|$)")


def as_url(typed: str) -> str:
    """`typed` with the scheme a browser would add: http for loopback and addresses, else https.

    Whether the result may be opened is the egress policy's to say.
    """
    text = typed.strip()
    if text == "about:blank" or (_SCHEME.match(text) and not _HOST_PORT.match(text)):
        return text
    if text.startswith("//"):
        text = text[2:]
    host = re.split(r"[/?#]", text, maxsplit=1)[0]
    host = host.rpartition("@")[2]
    name = host[1 : host.index("]")] if host.startswith("[") and "]" in host else host.split(":")[0]
    return f"{'http' if _is_near(name) else 'https'}://{text}"


def _is_near(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
