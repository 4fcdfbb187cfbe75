"""Documents for tests: stored through the services, as the API stores them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from documents import media, readers, services
from documents.models import Document
from documents.structure import Structure
from jobs.files import Draft

Store = Callable[..., Document]


@pytest.fixture
def store(owner: User) -> Store:
    """`store(name, data)` keeps a file as the owner's document, unread unless asked."""

    def kept(name: str, data: bytes, *, by: User | None = None, read: bool = False, **more: object) -> Document:  # fmt: skip
        with Draft() as draft:
            draft.write(data)
            return services.add(draft=draft, name=name, by=by or owner, read=read, **more).document  # type: ignore[arg-type]

    return kept


@pytest.fixture
def read_file(tmp_path: Path) -> Callable[..., Structure]:
    """`read_file(name, data)` is what a reader makes of a file."""

    def read(name: str, data: bytes, **options: object) -> Structure:
        path = tmp_path / "file"
        path.write_bytes(data)
        media_type, _ = media.recognise(path=path, name=name)
        return readers.read(
            readers.Source(path=path, name=name, media_type=media_type, **options)  # type: ignore[arg-type]
        )

    return read
