"""Settings from the environment: unreadable values stop the start, keys are made once."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import env_bool, env_int, env_list, key_file


@pytest.mark.parametrize(
    ("raw", "expected"), [("1", True), ("Yes", True), ("0", False), ("", False)]
)
def test_yes_and_no(monkeypatch: pytest.MonkeyPatch, raw: str, expected: bool) -> None:
    monkeypatch.setenv("X_FLAG", raw)
    assert env_bool("X_FLAG", not expected) is expected


def test_an_unreadable_value_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_FLAG", "perhaps")
    monkeypatch.setenv("X_COUNT", "many")
    with pytest.raises(ImproperlyConfigured, match="X_FLAG"):
        env_bool("X_FLAG", True)
    with pytest.raises(ImproperlyConfigured, match="X_COUNT"):
        env_int("X_COUNT", 1)


def test_lists_lose_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_LIST", " a, ,b,")
    assert env_list("X_LIST") == ["a", "b"]


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "secret_key"
    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(lambda _: key_file(path), range(16)))
    assert len(seen) == 1
    assert len(seen.pop()) >= 48
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["secret_key"]
