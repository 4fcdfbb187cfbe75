"""Who may read what describes the installation and not its jobs: metrics and the details of health."""

import hmac
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest

# A proxy on this machine makes everybody's request come from loopback, and says so by one of these.
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")


def may_scrape(request: HttpRequest) -> bool:
    """Whether it bears METRICS_TOKEN, or comes straight from this machine."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if settings.METRICS_TOKEN and scheme.lower() == "bearer":
        return hmac.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
    if any(name in request.META for name in _FORWARDED):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
