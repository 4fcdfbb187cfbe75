"""The settings of a website source: one declaration for API, form and OpenAPI."""

from __future__ import annotations

import re
from typing import Any

from rest_framework import serializers

from ingestion.models import KEY_MAX
from ingestion.website import login
from ingestion.website.urls import canonical
from jobs.egress import EgressRefused, Policy

MOST_PATTERNS = 100
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_OURS = frozenset({"host", "content-length", "connection", "transfer-encoding", "accept-encoding"})


class Pattern(serializers.CharField):
    """One pattern of addresses."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=500, **options)


def _patterns(help_text: str) -> serializers.ListField:
    return serializers.ListField(
        child=Pattern(), default=list, max_length=MOST_PATTERNS, help_text=help_text
    )


class Settings(serializers.Serializer[Any]):
    """Which pages, how many, how often, and how they are read."""

    url = serializers.CharField(
        max_length=1000, label="URL", help_text="The start page, such as https://docs.example.com/."
    )
    max_depth = serializers.IntegerField(
        default=3,
        min_value=1,
        max_value=5,
        help_text="How many links deep: 1 is the start page and what it links to.",
    )
    max_pages = serializers.IntegerField(
        default=500, min_value=1, max_value=100_000, help_text="The most pages that are kept."
    )
    same_domain_only = serializers.BooleanField(
        default=True,
        help_text="Stay on the start page's host and those below it; www. makes no difference.",
    )
    include_patterns = _patterns(
        "Only pages that match one of these are kept, and the start page is read for its links. "
        "* stands for anything; /docs/* is compared with path and query, https://*.example.com/* "
        "with the whole address. Empty: all."
    )
    exclude_patterns = _patterns("Pages that match one of these are never fetched.")
    render = serializers.ChoiceField(
        choices=[
            ("auto", "Where a page is empty without its scripts"),
            ("never", "Never"),
            ("always", "Every page"),
        ],
        default="auto",
        help_text="Show pages in Chromium and read what their scripts made: auto does so where a "
        "page is empty without them. Much slower.",
    )
    use_sitemap = serializers.BooleanField(
        default=True, help_text="Begin with what the site's sitemaps list, too."
    )
    trust_lastmod = serializers.BooleanField(
        default=False,
        help_text="Do not even ask for pages whose date in the sitemap is the one of the last "
        "sync. Quick, but wrong where a site does not keep these dates.",
    )
    obey_robots = serializers.BooleanField(
        default=True,
        help_text="Heed robots.txt and its delay. Switch off for sites of your own only.",
    )
    read_files = serializers.BooleanField(
        default=False, help_text="Read PDF, Office and other files that pages link to."
    )
    max_page_mb = serializers.IntegerField(
        default=5, min_value=1, max_value=50, help_text="Larger pages are left out, as failed."
    )
    max_file_mb = serializers.IntegerField(
        default=50, min_value=1, max_value=200, help_text="Larger files are left out, as failed."
    )
    delay_s = serializers.FloatField(
        default=0.1,
        min_value=0,
        max_value=60,
        help_text="Seconds between two requests to one host; a longer Crawl-delay of its is heeded.",
    )
    concurrency = serializers.IntegerField(
        default=4, min_value=1, max_value=16, help_text="Requests to one host at the same time."
    )
    timeout_s = serializers.FloatField(
        default=30, min_value=1, max_value=300, help_text="Seconds that a page may stay silent."
    )
    auth_job = serializers.UUIDField(
        allow_null=True,
        default=None,
        help_text="Id of the job of a recording of yours that has kept a storage state: crawl "
        "signed in as it ended.",
    )
    auth_state = serializers.CharField(
        allow_blank=True,
        default="",
        write_only=True,
        max_length=50_000,
        help_text="Or the storage state itself, as JSON: Playwright's context.storage_state().",
    )
    headers = serializers.DictField(
        child=serializers.CharField(max_length=4000),
        allow_null=True,
        default=None,
        write_only=True,
        help_text="Headers for the start page's origin alone, such as Authorization.",
    )

    def validate_url(self, value: str) -> str:
        url = value.strip()
        try:
            Policy.from_settings().check_url(url)
        except EgressRefused as error:
            raise serializers.ValidationError(error.message, code=error.code) from error
        found = canonical(url)
        if found is None:
            raise serializers.ValidationError("This is not the address of a web page.")
        if len(found) > KEY_MAX:
            raise serializers.ValidationError(f"The address has more than {KEY_MAX} characters.")
        return found

    def validate_auth_state(self, value: str) -> str:
        if value:
            try:
                login.parse(value)
            except login.StateUnusable as error:
                raise serializers.ValidationError(str(error)) from error
        return value

    def validate_headers(self, value: dict[str, str] | None) -> dict[str, str] | None:
        for name, text in (value or {}).items():
            if not _HEADER.fullmatch(name) or name.lower() in _OURS:
                raise serializers.ValidationError(f"{name!r} is no header that can be set.")
            if not text.isprintable() or not text.isascii():
                raise serializers.ValidationError(f"The value of {name} is not printable ASCII.")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("auth_job") and attrs.get("auth_state"):
            raise serializers.ValidationError(
                {"auth_state": "Give either a job or a state, not both."}
            )
        return attrs
