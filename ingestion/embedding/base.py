"""What every embedding model offers, and how one fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class EmbeddingFailed(Exception):
    """Texts could not be embedded; `code` for programs, `message` for people.

    `retryable`: the same request may succeed later.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


class Embedder(Protocol):
    """A model that turns texts into unit vectors.

    Vectors of two models are comparable only when `name` and `revision` are the same.
    `dimension` is 0 as long as it is not known (an endpoint that was not asked yet).
    """

    name: str
    revision: str
    dimension: int

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row of length 1 a text, in their order.

        :raises EmbeddingFailed: not all could be embedded; nothing is returned then.
        """
        ...


def normalised(rows: Vectors) -> Vectors:
    """Rows of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)
