"""What a crawl is to do: a website source's settings, in the crawler's own terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ingestion.http import Limits
from ingestion.website.urls import Scope, canonical

MB = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`start` is the start page's one spelling; sizes in bytes, times in seconds."""

    start: str
    max_depth: int = 3
    max_pages: int = 500
    same_domain_only: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    render: str = "auto"
    sitemap: bool = True
    trust_lastmod: bool = False
    obey_robots: bool = True
    files: bool = False
    max_page_bytes: int = 5 * MB
    max_file_bytes: int = 50 * MB
    delay_s: float = 0.1
    concurrency: int = 4
    timeout_s: float = 30

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """From validated settings."""
        return cls(
            start=canonical(settings["url"]) or settings["url"],
            max_depth=settings["max_depth"],
            max_pages=settings["max_pages"],
            same_domain_only=settings["same_domain_only"],
            include=tuple(settings["include_patterns"]),
            exclude=tuple(settings["exclude_patterns"]),
            render=settings["render"],
            sitemap=settings["use_sitemap"],
            trust_lastmod=settings["trust_lastmod"],
            obey_robots=settings["obey_robots"],
            files=settings["read_files"],
            max_page_bytes=settings["max_page_mb"] * MB,
            max_file_bytes=settings["max_file_mb"] * MB,
            delay_s=settings["delay_s"],
            concurrency=settings["concurrency"],
            timeout_s=settings["timeout_s"],
        )

    @property
    def scope(self) -> Scope:
        return Scope(
            start=self.start,
            same_domain=self.same_domain_only,
            include=self.include,
            exclude=self.exclude,
        )

    @property
    def limits(self) -> Limits:
        return Limits(
            max_bytes=self.max_page_bytes,
            connect_s=min(10, self.timeout_s),
            silence_s=self.timeout_s,
            total_s=4 * self.timeout_s,
        )

    @property
    def reach(self) -> str:
        """What decides which pages there are and how they are read: when it changes, all is read anew."""
        return repr(
            (
                *(self.start, self.same_domain_only, self.include, self.exclude, self.render),
                *(self.obey_robots, self.files, self.max_page_bytes, self.max_file_bytes),
            )
        )
