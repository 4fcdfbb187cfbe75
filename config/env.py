"""Reading settings from the environment; an unreadable value stops the start and names its variable."""

import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from secrets import token_urlsafe

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def env_str(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def env_bool(name: str, default: bool) -> bool:
    raw = os.environ.get(name)
    if raw is None:
        return default
    if raw.strip().lower() in _TRUE:
        return True
    if raw.strip().lower() in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name}={raw!r} is not a yes or no: use 1 or 0.")


def env_int(name: str, default: int) -> int:
    raw = os.environ.get(name)
    if raw is None or raw == "":
        return default
    try:
        return int(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={raw!r} is not a whole number.") from error


def env_list(name: str) -> list[str]:
    return [part.strip() for part in os.environ.get(name, "").split(",") if part.strip()]


PERIODS_S = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def env_rate(name: str, default: str) -> tuple[int, int] | None:
    """`300/min`, `5/h`, `10/30s` as (number, seconds); None for `off`."""
    text = os.environ.get(name) or default
    if text.strip().lower() == "off":
        return None
    match = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{0,6})\s*(s|min|h|d)\s*", text)
    if match is None or int(match[1]) < 1 or int(match[2] or 1) < 1:
        raise ImproperlyConfigured(f"{name}={text!r} is no rate: use 300/min, 5/h or off.")
    return int(match[1]), int(match[2] or 1) * PERIODS_S[match[3]]


def env_networks(name: str, default: str = "") -> list[IPv4Network | IPv6Network]:
    """Addresses and networks (CIDR), separated by commas."""
    texts = (os.environ.get(name) or default).split(",")
    try:
        return [ip_network(text.strip()) for text in texts if text.strip()]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}. Use 10.0.0.0/8,192.168.1.7") from error


def key_file(path: Path) -> str:
    """The key kept in `path`; made on first use, readable by its owner only."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Two processes may start at once: both write, one link wins, both read the winner.
    draft = path.with_name(f".{path.name}.{token_urlsafe(6)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(token_urlsafe(48) + "\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
