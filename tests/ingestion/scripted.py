"""A source whose content a test writes to a file, and whose connector the test can slow down."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rest_framework import serializers

from documents.structure import Block, BlockKind, Place, Structure, TextBuilder
from ingestion.connectors import Problem, Report
from ingestion.content import Failed, Found, Gone, Seen, SyncFailed, SyncRun, Unchanged


def structure(text: str) -> Structure:
    """Paragraphs, and headings where a line begins with #, as a reader would make them."""
    built = TextBuilder()
    blocks = []
    for line in text.splitlines():
        heading = line.startswith("#")
        shown = line.lstrip("# ")
        start, end = built.add(shown, then="\n\n")
        kind: BlockKind = "heading" if heading else "paragraph"
        level = line.count("#") if heading else 0
        anchor = shown.lower().replace(" ", "-") if heading else ""
        blocks.append(Block(kind, shown, Place(start, end), level, anchor))
    return Structure(media_type="text/html", text=built.text(), blocks=tuple(blocks))


class Settings(serializers.Serializer[Any]):
    script = serializers.CharField(help_text="The file that holds the source.")
    token = serializers.CharField(write_only=True, required=False)


class Scripted:
    """`script` is JSON: {documents: {key: text or {fail, …}}, pause_s, gone, broken, partial,
    left_out, titles: {key: title}}.

    Documents whose text is as it was are reported as unchanged, without being fetched.
    """

    settings = Settings
    identity = ("script",)

    def name_for(self, settings: Mapping[str, Any]) -> str:
        return f"Script {Path(settings['script']).name}"

    def test(self, *, settings: Mapping[str, Any], policy: Any, owner_id: int) -> Report:
        if not Path(settings["script"]).exists():
            problem = Problem(code="no_file", message="There is no such file.", field="script")
            return Report(summary="Nothing was reached.", problems=(problem,))
        return Report(summary="Reached.", facts={"Token": settings.get("token", "none")})

    def sync(self, *, run: SyncRun) -> Iterator[Seen]:
        path = Path(run.settings["script"])
        script = json.loads(path.read_text())
        fetched = path.with_suffix(".fetched")
        for key, text in script["documents"].items():
            if run.only is not None and key not in run.only:
                continue
            run.check_cancelled()
            known = run.known(key)
            title = script.get("titles", {}).get(key, "")
            fetched_with = {"text": text, "title": title}
            if known is not None and known.fetched_with == fetched_with:
                yield Unchanged(key=key)
                continue
            time.sleep(script.get("pause_s", 0))
            with fetched.open("a") as log:
                log.write(f"{key}\n")
            if isinstance(text, dict):
                yield Failed(
                    key=key, code=text["fail"], message=f"{key} can not be had.", retryable=True
                )
                continue
            yield Found(
                key=key,
                kind="page",
                title=title or (text.splitlines()[0].lstrip("# ") if text else key),
                url=f"http://127.0.0.1/{key}",
                structure=structure(text),
                fetched_with=fetched_with,
            )
        for key in script.get("gone", []):
            yield Gone(key=key)
        if script.get("broken"):
            raise SyncFailed("unreachable", "The source went away.")
        run.set_cursor({"after": len(script["documents"])})
        run.complete = not script.get("partial")
        for url in script.get("left_out", []):
            said = {"count": 1, "why": "forbidden by robots.txt", "examples": [url]}
            run.left_out = {"robots": said}


def write(path: Path, documents: Mapping[str, Any], **more: Any) -> None:
    path.write_text(json.dumps({"documents": dict(documents), **more}))


def fetched(path: Path) -> list[str]:
    """Every fetch since `forget`, in order."""
    log = path.with_suffix(".fetched")
    return log.read_text().split() if log.exists() else []


def forget(path: Path) -> None:
    path.with_suffix(".fetched").unlink(missing_ok=True)
