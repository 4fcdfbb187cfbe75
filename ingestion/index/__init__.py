"""The index: which passages answer a question. `docs/search.md` says how.

`settle` belongs into every transaction that changed chunks or titles, `erased` around what deletes
them; `search` asks.
"""

from ingestion.index.postings import erased, settle
from ingestion.index.query import BadQuery, Filters, Query
from ingestion.index.searching import Hit, Results, keyword_only, search

__all__ = [
    "BadQuery",
    "Filters",
    "Hit",
    "Query",
    "Results",
    "erased",
    "keyword_only",
    "search",
    "settle",
]
