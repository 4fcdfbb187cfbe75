"""The trace viewer of the installed Playwright, served below /trace-viewer/ ."""

from __future__ import annotations

import mimetypes
import re
from functools import cache
from pathlib import Path

import playwright
from django.contrib.admin.views.decorators import staff_member_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

SOURCE = Path(playwright.__file__).parent / "driver/package/lib/vite/traceViewer"


@cache
def files() -> frozenset[str]:
    """Every file of the viewer: nothing else is ever opened."""
    return frozenset(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*") if path.is_file())


@staff_member_required
@require_safe
def trace_viewer(request: HttpRequest, name: str = "") -> HttpResponseBase:
    name = name or "index.html"
    if name not in files():
        raise Http404("The trace viewer has no such file.")
    content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    response = FileResponse((SOURCE / name).open("rb"), content_type=content_type)
    return response
