"""What the admin's theme asks the project for."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static


def console_css(request: HttpRequest) -> str:
    return static("tapedeck/console.css")


def console_js(request: HttpRequest) -> str:
    return static("tapedeck/boot.js")


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    return context
