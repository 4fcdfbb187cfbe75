"""What kinds declare."""

import sys
from importlib.util import find_spec

import pytest

from jobs import registry
from jobs.registry import Kind, NoPayload


def test_what_kinds_import_is_there() -> None:
    named = {name for kind in registry.all_kinds() for name in kind.imports}
    assert named
    assert [name for name in named if find_spec(name) is None] == []


def test_a_kind_loads_what_its_body_needs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(sys.modules, "json.tool", raising=False)
    kind = Kind(
        name="test.loads",
        label="",
        options=NoPayload,
        run=lambda job: None,
        imports=("no.such.module", "json.tool"),
    )
    kind.load()
    assert "json.tool" in sys.modules
    assert "no.such.module could not be imported" in caplog.text
