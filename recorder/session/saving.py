"""The files that say what a session was: steps.json, metadata.json, the encrypted secrets."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.casing import camel
from recorder.adapter import PINNED

if TYPE_CHECKING:
    from recorder.session.live import LiveSession

# Options that may hold secrets are named in metadata, never shown.
_HIDDEN = {"http_credentials", "extra_headers", "proxy"}

KINDS = {
    "trace.zip": "trace",
    "network.har": "har",
    "console.jsonl": "console",
    "storage_state.json": "storage_state",
    "metadata.json": "metadata",
    "steps.json": "steps",
}
FOLDERS = {"video": "video", "steps": "screenshot", "dom": "dom_snapshot", "uploads": "upload"}


def write_steps(live: LiveSession) -> None:
    """steps.json, and the secrets' file for the job."""
    folder = live.config.workdir
    steps = [entry.as_json() for entry in live.book]
    _write(folder / "steps.json", {"session": live.config.session, "steps": steps})
    live.vault.write(folder / "vault", key=live.config.vault_key)


def write_metadata(live: LiveSession, *, started_at: str, ended_by: str) -> None:
    launched, options = live.browser.launched, live.config.options
    kept = live.book.kept()
    data: dict[str, Any] = {
        "session": live.config.session,
        "url": live.config.url,
        "startedAt": started_at,
        "endedAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "endedBy": ended_by,
        "browser": None
        if launched is None
        else {
            "name": launched.found.name,
            "version": launched.found.version,
            "source": launched.found.source,
        },
        "sandbox": None
        if launched is None
        else {"on": launched.sandbox.on, "reason": launched.sandbox.reason},
        "playwright": PINNED,
        "options": {
            camel(name): "(set)" if name in _HIDDEN and value else value
            for name, value in options.items()
        },
        "steps": {
            "kept": len(kept),
            "deleted": len(live.book) - len(kept),
            "forged": sum("forged" in step.flags for step in kept),
            "unrecorded": sum("unrecorded" in step.flags for step in kept),
        },
        "warnings": live.news.warnings,
    }
    _write(live.config.workdir / "metadata.json", data)


def files_of(folder: Path) -> list[tuple[str, str]]:
    """(path, kind) of every artifact below `folder`, in order."""
    found = [(name, kind) for name, kind in KINDS.items() if (folder / name).is_file()]
    for name, kind in FOLDERS.items():
        found += [
            (f"{name}/{one.name}", kind)
            for one in sorted((folder / name).glob("*"))
            if one.is_file() and not one.name.startswith(".")
        ]
    return found


def _write(path: Path, data: Any) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(json.dumps(data, indent=1))
    unfinished.replace(path)
