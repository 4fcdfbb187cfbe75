"""Promises of the project itself: documented settings, locked dependencies, a short README."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import registry
from jobs.casing import camel

ROOT = Path(__file__).resolve().parent.parent


def test_every_variable_that_settings_read_is_in_the_example_file() -> None:
    read = set(re.findall(r'env_\w+\("([A-Z0-9_]+)"', (ROOT / "config/settings.py").read_text()))
    listed = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.M))
    assert read, "the pattern above no longer matches how settings are read"
    assert read - listed == set()
    # ADMIN_PASSWORD is read by `createfirstadmin`, not by the settings.
    assert listed - read == {"ADMIN_PASSWORD"}


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "requirements-dev.lock", "requirements-bench.lock"]
)
def test_locks_have_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    pins = re.findall(r"^[a-z0-9._-]+==\S+", text, re.M)
    assert pins
    assert len(re.findall(r"^[a-z0-9._-]+==\S+.*\\\n    --hash=sha256:", text, re.M)) == len(pins)
    assert "://" not in text
    assert "index-url" not in text


def test_a_live_session_loads_no_models_and_no_api() -> None:
    """It needs neither, and is waited for by whoever began the recording."""
    code = (
        "import sys, recorder.session.live, recorder.session.server\n"
        "print(sorted({'django.db', 'rest_framework', 'numpy', 'requests'} & set(sys.modules)))"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_the_readme_is_short_and_its_pictures_exist() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 120
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_every_kind_and_option_is_described_in_the_docs() -> None:
    docs = (ROOT / "docs/kinds.md").read_text()
    kinds = [
        kind for kind in registry.all_kinds() if kind.run.__module__.startswith("tests.") is False
    ]
    assert {"recorder.record", "recorder.replay"} <= {kind.name for kind in kinds}
    for kind in kinds:
        section = docs.partition(f"## `{kind.name}`\n")[2].partition("\n## ")[0]
        for option in kind.options().fields:
            assert f"`{camel(option)}`" in section, f"{kind.name}: {option}"


def test_decision_records_are_short() -> None:
    records = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    assert records
    for record in records:
        assert len(record.read_text().splitlines()) <= 20, record.name


@pytest.mark.parametrize("script", ["run", "test"])
def test_the_commands_explain_themselves(script: str) -> None:
    shown = subprocess.run(
        [ROOT / script, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    ).stdout
    assert shown.startswith("usage:")
    if script == "run":
        for variable in ("HOST", "PORT", "DATA_DIR", "ADMIN_PASSWORD"):
            assert variable in shown


def test_run_refuses_arguments_that_it_would_ignore() -> None:
    done = subprocess.run(
        [ROOT / "run", "--port", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "takes no arguments" in done.stderr
