"""Any server that speaks the OpenAI embeddings protocol: `POST {url}/embeddings`.

https://platform.openai.com/docs/api-reference/embeddings/create. Every answer is checked: as many
vectors as texts, each of the same length, all of finite numbers.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ingestion.embedding.base import EmbeddingFailed, Vectors, normalised
from ingestion.http import Answer, BlockingClient, FetchFailed, Limits, Patience
from jobs.egress import Policy

# Bytes of one number as JSON, generously; bounds what an answer may have.
_NUMBER_BYTES = 40
_MOST_NUMBERS = 8192
_SAID_CHARS = 300
PATIENT = Patience(attempts=5)


class Endpoint:
    """A model behind an address. Safe for several threads.

    `dimension` 0: what the first answer has. `ask_dimension`: ask the model for just that many
    numbers (models that can be cut). `per_period` requests in `period_s` seconds at most, counted
    in this process. `on_wait(seconds_left, why)` may raise to end a wait.
    """

    def __init__(
        self,
        *,
        url: str,
        model: str,
        key: str = "",
        dimension: int = 0,
        ask_dimension: bool = False,
        batch: int = 64,
        rate: tuple[int, int] | None = None,
        timeout_s: float = 60,
        patience: Patience = PATIENT,
        policy: Policy | None = None,
        on_wait: Callable[[float, str], None] | None = None,
    ) -> None:
        self.name = model
        self.revision = url[:100]
        self.dimension = dimension
        self._url = url.rstrip("/") + "/embeddings"
        self._key = key
        self._ask_dimension = ask_dimension
        self._batch = batch
        self._every_s = rate[1] / rate[0] if rate else 0.0
        self._timeout_s = timeout_s
        self._patience = patience
        self._policy = policy
        self._on_wait = on_wait
        self._turn = threading.Lock()
        self._next_at = 0.0

    def embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        policy = self._policy or Policy.from_settings()
        limits = Limits(
            max_bytes=self._batch * _MOST_NUMBERS * _NUMBER_BYTES,
            silence_s=self._timeout_s,
            total_s=self._timeout_s,
        )
        credentials = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        with BlockingClient(
            policy=policy, limits=limits, home=self._url, credentials=credentials
        ) as client:
            parts = [
                self._some(client, texts[at : at + self._batch])
                for at in range(0, len(texts), self._batch)
            ]
        return normalised(np.concatenate(parts))

    def _some(self, client: BlockingClient, texts: Sequence[str]) -> Vectors:
        # Servers refuse an empty text, and all of the others with it.
        body: dict[str, Any] = {
            "model": self.name,
            "input": [text if text.strip() else "." for text in texts],
            "encoding_format": "float",
        }
        if self._ask_dimension and self.dimension:
            body["dimensions"] = self.dimension
        for attempt in range(1, self._patience.attempts + 1):
            self._wait_for_turn()
            try:
                answer = client.request(
                    "POST",
                    self._url,
                    json=body,
                    patience=self._patience,
                    on_wait=self._on_wait,
                    follow=False,
                )
            except FetchFailed as error:
                raise EmbeddingFailed(
                    error.code,
                    f"The embeddings endpoint: {error.message}",
                    retryable=error.retryable,
                ) from error
            if answer.status == 413 and len(texts) > 1:
                middle = len(texts) // 2
                halves = self._some(client, texts[:middle]), self._some(client, texts[middle:])
                return np.concatenate(halves)
            try:
                return self._read(answer, len(texts))
            except EmbeddingFailed as error:
                # A cut or mixed-up answer may be whole the next time.
                if (
                    not error.retryable
                    or error.code == "too_busy"
                    or attempt == self._patience.attempts
                ):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _wait_for_turn(self) -> None:
        if not self._every_s:
            return
        with self._turn:
            now = time.monotonic()
            at = max(now, self._next_at)
            self._next_at = at + self._every_s
        while (left := at - time.monotonic()) > 0:
            if self._on_wait is not None:
                self._on_wait(left, "EMBEDDINGS_RATE")
            time.sleep(min(left, 1))

    def _read(self, answer: Answer, wanted: int) -> Vectors:
        if answer.status >= 300:
            raise _refused(answer)
        try:
            rows = json.loads(answer.body)["data"]
            placed = {row["index"]: row["embedding"] for row in rows}
        except (ValueError, KeyError, TypeError) as error:
            raise EmbeddingFailed(
                "answer_malformed",
                "The embeddings endpoint did not answer as the OpenAI protocol says: "
                f"{answer.body[:_SAID_CHARS].decode(errors='replace')!r}",
                retryable=True,
            ) from error
        if len(rows) != wanted or set(placed) != set(range(wanted)):
            raise EmbeddingFailed(
                "answer_incomplete",
                f"The embeddings endpoint was given {wanted} texts and sent {len(rows)} vectors.",
                retryable=True,
            )
        vectors = [placed[n] for n in range(wanted)]
        sizes = {len(row) if isinstance(row, list) else 0 for row in vectors}
        if len(sizes) != 1 or not _numbers(vectors):
            raise EmbeddingFailed(
                "answer_malformed",
                "The embeddings endpoint sent vectors that are not lists of numbers of one length.",
                retryable=True,
            )
        [size] = sizes
        if self.dimension and size != self.dimension:
            raise EmbeddingFailed(
                "dimension_wrong",
                f"The embeddings endpoint sends vectors of {size} numbers for {self.name}, not "
                f"{self.dimension}. Correct EMBEDDINGS_DIMENSION, or name another EMBEDDINGS_MODEL: "
                "vectors of different models are never mixed.",
            )
        self.dimension = size
        return np.asarray(vectors, dtype=np.float32)


def _numbers(vectors: list[Any]) -> bool:
    return all(
        any(row)
        and all(
            isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in row
        )
        for row in vectors
    )


def _refused(answer: Answer) -> EmbeddingFailed:
    try:
        said = json.loads(answer.body)["error"]
        words = str(said["message"] if isinstance(said, dict) else said)
    except (ValueError, KeyError, TypeError):
        words = answer.body[:_SAID_CHARS].decode(errors="replace")
    words = words[:_SAID_CHARS].strip() or f"status {answer.status}"
    if answer.status in (401, 403):
        advice = "Check EMBEDDINGS_KEY."
        return EmbeddingFailed("key_refused", f"The embeddings endpoint refuses: {words} {advice}")
    if answer.status == 404:
        advice = "Check EMBEDDINGS_URL and EMBEDDINGS_MODEL."
        return EmbeddingFailed("not_found", f"The embeddings endpoint says: {words} {advice}")
    busy = answer.status in (408, 425, 429) or answer.status >= 500
    return EmbeddingFailed(
        "too_busy" if busy else "refused",
        f"The embeddings endpoint answers {answer.status}: {words}",
        retryable=busy,
    )
