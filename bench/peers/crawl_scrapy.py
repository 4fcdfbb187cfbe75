"""Scrapy on the site of bench/crawl.py: the same pages, links, headings, text and duplicates.

python -m bench.peers.crawl_scrapy URL CONCURRENCY     prints what it did as JSON
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.linkextractors import LinkExtractor


class Spider(scrapy.Spider):
    """Follows every link of the site; keeps each text once."""

    name = "bench"

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(**options)
        self.start_urls = [url]
        self.allowed_domains = ["127.0.0.1"]
        self.kept: set[str] = set()
        self.chars = self.headings = 0
        self._links = LinkExtractor(deny_extensions=[])

    def parse(self, response: Any) -> Iterator[Any]:
        """Text and headings of the main part, and its links."""
        main = response.css("main")
        headings = [
            (each.attrib.get("id", ""), each.css("::text").get()) for each in main.css("h1, h2, h3")
        ]
        parts = [
            " ".join(each.css("::text").getall()).strip()
            for each in main.css("h1, h2, h3, p, li, td, th, pre")
        ]
        text = "\n".join(part for part in parts if part)
        digest = hashlib.sha256(text.encode()).hexdigest()
        if digest not in self.kept:
            self.kept.add(digest)
            self.chars += len(text)
            self.headings += len(headings)
            yield {"url": response.url, "title": response.css("title::text").get(), "text": text}
        for link in self._links.extract_links(response):
            yield response.follow(link, self.parse)


def main() -> None:
    url, concurrency = sys.argv[1], int(sys.argv[2])
    process = CrawlerProcess(
        {
            "ROBOTSTXT_OBEY": True,
            "CONCURRENT_REQUESTS": concurrency,
            "CONCURRENT_REQUESTS_PER_DOMAIN": concurrency,
            "DOWNLOAD_DELAY": 0,
            "AUTOTHROTTLE_ENABLED": False,
            "RANDOMIZE_DOWNLOAD_DELAY": False,
            "LOG_LEVEL": "ERROR",
            "TELNETCONSOLE_ENABLED": False,
            "COOKIES_ENABLED": True,
            "DEPTH_LIMIT": 5,
        }
    )
    crawler = process.create_crawler(Spider)
    process.crawl(crawler, url=url)
    began = time.perf_counter()
    process.start()
    seconds = time.perf_counter() - began
    spider = crawler.spider
    assert isinstance(spider, Spider)
    stats = crawler.stats.get_stats()
    print(
        json.dumps(
            {
                "seconds": seconds,
                "kept": len(spider.kept),
                "requests": stats.get("downloader/request_count", 0),
                "chars": spider.chars,
                "headings": spider.headings,
            }
        )
    )


if __name__ == "__main__":
    main()
