"""The trace viewer of the installed Playwright, below /trace-viewer/ .

`/trace-viewer/?trace=<artifact URL of this console>` opens a trace. The files are Playwright's
own, except that `trace_worker.js` stands before the viewer's service worker and shows recorded
pages in an opaque origin. The worker's policy lets it fetch from this console alone, so that
`?trace=` can not name a file of somebody else's.
"""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
from functools import cache
from pathlib import Path

import playwright
from django.contrib.admin.views.decorators import staff_member_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

SOURCE = Path(playwright.__file__).parent / "driver/package/lib/vite/traceViewer"
WORKER = "sw.bundle.js"
PRELUDE = Path(__file__).with_name("trace_worker.js")
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
# Fetched without cookies, hence always refused here; and nobody installs the viewer as an app.
_MANIFEST = re.compile(r'\s*<link rel="manifest"[^>]*>')


class ViewerChanged(Exception):
    """The installed Playwright's trace viewer is not laid out as this module expects."""


@staff_member_required
@require_safe
def trace_viewer(request: HttpRequest, name: str = "") -> HttpResponse:
    """One file of the viewer; the traces themselves are artifacts and have their own checks."""
    name = name or "index.html"
    if name not in _names():
        raise Http404("The trace viewer has no such file.")
    body, policy = _file(name)
    response = HttpResponse(body, content_type=_content_type(name))
    response["Content-Security-Policy"] = policy
    response["X-Content-Type-Options"] = "nosniff"
    # All but the entries have their hash in their name.
    lasting = name.startswith("assets/")
    response["Cache-Control"] = "private, max-age=86400" if lasting else "private, no-cache"
    return response


@cache
def _names() -> frozenset[str]:
    """Every file of the viewer; nothing else is ever opened. Its UI mode has no use here."""
    names = (path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*") if path.is_file())
    return frozenset(name for name in names if not name.startswith("uiMode"))


@cache
def _file(name: str) -> tuple[bytes, str]:
    body = (SOURCE / name).read_bytes()
    if name == WORKER:
        if b"self.addEventListener(`fetch`" not in body:
            raise ViewerChanged(ViewerChanged.__doc__)
        return PRELUDE.read_bytes() + b"\n" + body, "default-src 'none'; connect-src 'self'"
    if not name.endswith(".html"):
        return body, "default-src 'none'"
    text = _MANIFEST.sub("", body.decode())
    scripts = "".join(f" '{_hash(script)}'" for script in _INLINE_SCRIPT.findall(text))
    policy = (
        f"default-src 'none'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; connect-src 'self' data:; "
        "frame-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    return text.encode(), policy


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _content_type(name: str) -> str:
    if name.endswith(".js"):
        return "text/javascript; charset=utf-8"
    if name.endswith((".html", ".css")):
        return f"text/{name.rpartition('.')[2]}; charset=utf-8"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
