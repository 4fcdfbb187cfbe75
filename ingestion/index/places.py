"""Where a passage is opened: its document's own address, at the place where it stands."""

from __future__ import annotations

from urllib.parse import quote, urldefrag, urlsplit

from ingestion.models import Chunk, DocumentKind

# Of a page without ids, browsers scroll to these words (https://wicg.github.io/scroll-to-text-fragment/).
_FRAGMENT_WORDS = 6


def url_of(chunk: Chunk) -> str:
    """Opens the passage for a person; empty where its document has no address."""
    document = chunk.document
    if not document.url:
        return ""
    if document.stored_id is not None or document.kind == DocumentKind.DOCUMENT:
        # As <document-viewer> reads it: the page, and the span of the text.
        return f"{document.url}#page-{chunk.page or 1}:{chunk.start}-{chunk.end}"
    comment = chunk.anchor.removeprefix("comment-")
    if document.kind == DocumentKind.ISSUE and comment != chunk.anchor:
        mark = "&" if urlsplit(document.url).query else "?"
        return f"{document.url}{mark}focusedCommentId={quote(comment)}#{quote(chunk.anchor)}"
    if chunk.anchor:
        return f"{urldefrag(document.url).url}#{quote(chunk.anchor)}"
    if document.kind == DocumentKind.PAGE and not urlsplit(document.url).fragment:
        words = " ".join(chunk.text.split()[:_FRAGMENT_WORDS])
        # A dash is part of the directive's own grammar.
        return f"{document.url}#:~:text={quote(words, safe='').replace('-', '%2D')}"
    return document.url


def words_of(chunk: Chunk) -> str:
    """The place in words: `page 3 · Payments › Refunds`."""
    parts = [f"page {chunk.page}"] if chunk.page else []
    if chunk.heading_path:
        parts.append(" › ".join(chunk.heading_path))
    return " · ".join(parts)
