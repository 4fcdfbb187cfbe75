"""Sources for tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from ingestion import connectors, sources
from ingestion.index import matrix, words
from ingestion.models import Source
from tests.ingestion import scripted

MakeSource = Callable[..., Source]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    """A database that was emptied counts its changes from 1 again: what is kept of it is not its."""
    matrix.forget()
    words.forget()


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a scripted source is written to; websites are scripted in this test."""
    monkeypatch.setitem(connectors._connectors, "website", scripted.Scripted())
    return tmp_path / "script.json"


@pytest.fixture
def source(owner: User, script: Path) -> Source:
    """A scripted source of the owner."""
    scripted.write(script, {})
    return sources.create(kind="website", settings={"script": str(script)}, by=owner)


@pytest.fixture
def sync(run_job: Any) -> Callable[..., Any]:
    """`sync(source, mode=…)` runs a sync to its end, in a worker of its own."""

    def run(source: Source, mode: str = "incremental") -> Any:
        job = run_job("ingestion.sync", source_id=str(source.pk), mode=mode)
        source.refresh_from_db()
        return job

    return run
