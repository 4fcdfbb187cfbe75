"""What a person may find, narrowed by the filters of a question."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL
from numpy.typing import NDArray

from ingestion.index import mark
from ingestion.index.query import Filters
from ingestion.models import Chunk, Source

Ids = NDArray[np.int64]
_KEPT = 32
_kept: OrderedDict[tuple[Any, ...], Ids] = OrderedDict()
_kept_lock = threading.Lock()


class Allowed:
    """The chunks that `user` may find by these filters. `everything`: all there are."""

    def __init__(self, *, filters: Filters, user: Any) -> None:
        visible = Source.objects.visible_to(user).filter(deleting=False)
        if filters.sources:
            visible = visible.filter(pk__in=filters.sources)
        if filters.source_kinds:
            visible = visible.filter(kind__in=filters.source_kinds)
        self.source_ids = sorted(visible.order_by().values_list("pk", flat=True))
        all_sources = len(self.source_ids) == Source.objects.count()
        self.everything = all_sources and not _narrows(filters)
        self._filters = filters
        self._all: Ids | None = None

    def chunks(self) -> QuerySet[Chunk]:
        """The same as a queryset; what is read through it was allowed at that moment."""
        rows = Chunk.objects.filter(source_id__in=self.source_ids)
        filters = self._filters
        if filters.kinds:
            rows = rows.filter(document__kind__in=filters.kinds)
        if filters.documents:
            rows = rows.filter(document_id__in=filters.documents)
        if filters.changed_from:
            rows = rows.filter(document__changed_at__gte=filters.changed_from)
        if filters.changed_until:
            rows = rows.filter(document__changed_at__lt=filters.changed_until)
        if filters.labels:
            # The join that the raw condition refers to.
            rows = rows.filter(document__state__isnull=False).filter(_labelled(filters.labels))
        return rows

    def those_of(self, ids: Ids) -> Ids:
        """Those of `ids` that are allowed, in their order."""
        if self.everything or not len(ids):
            return ids
        rows = self.chunks().filter(pk__in=[int(n) for n in ids]).order_by()
        kept = set(rows.values_list("pk", flat=True))
        return np.asarray([n for n in ids.tolist() if n in kept], dtype=np.int64)

    def at_hand(self) -> bool:
        """Whether `ids` needs not be read."""
        if self._all is None:
            self._all = self._known()
        return self._all is not None

    def ids(self) -> Ids:
        """All of them, ascending. Kept for the next question as long as nothing changes."""
        if self.at_hand() and self._all is not None:
            return self._all
        key = self._key()
        found = self._all = self._read()
        if key[0] is not None:
            with _kept_lock:
                _kept[key] = found
                while len(_kept) > _KEPT:
                    _kept.popitem(last=False)
        return found

    def _key(self) -> tuple[Any, ...]:
        return mark.token(), tuple(self.source_ids), self._filters

    def _known(self) -> Ids | None:
        key = self._key()
        with _kept_lock:
            if key[0] is None or key not in _kept:
                return None
            _kept.move_to_end(key)
            return _kept[key]

    def _read(self) -> Ids:
        try:
            statement, params = self.chunks().order_by().values_list("pk").query.sql_with_params()
        except EmptyResultSet:  # No source at all is allowed.
            return np.zeros(0, dtype=np.int64)
        with connection.cursor() as cursor:
            cursor.execute(statement, params)
            found = np.fromiter((row[0] for row in cursor.fetchall()), dtype=np.int64)
        found.sort()
        return found


def _narrows(filters: Filters) -> bool:
    return bool(
        filters.kinds
        or filters.labels
        or filters.documents
        or filters.changed_from
        or filters.changed_until
    )


def _labelled(labels: tuple[str, ...]) -> Q:
    if connection.vendor == "postgresql":
        condition = Q()
        for label in labels:
            condition |= Q(document__labels__contains=[label])
        return condition
    marks = ", ".join(["%s"] * len(labels))
    return Q(
        RawSQL(
            "EXISTS (SELECT 1 FROM json_each(ingestion_sourcedocument.labels) "
            f"WHERE value IN ({marks}))",
            list(labels),
            output_field=BooleanField(),
        )
    )
