"""An embeddings endpoint in the OpenAI wire format, which answers honestly or as a test scripts it.

Its model is a bag of words: each word has a direction of its own, so texts with the same words are
alike. https://platform.openai.com/docs/api-reference/embeddings/create
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np

from ingestion.index import analysis


def vector_of(text: str, dimension: int) -> list[float]:
    total = np.zeros(dimension)
    for term in analysis.terms(text):
        total += np.random.default_rng(analysis.number(term)).normal(size=dimension)
    return [float(n) for n in total] if total.any() else [1.0] + [0.0] * (dimension - 1)


class EmbeddingsServer:
    """`script` holds answers for the next requests, each a function of the request's handler and body
    that answers by itself; when it is empty, answers are honest. `requests` are the bodies that came.
    """

    def __init__(self, dimension: int = 24) -> None:
        self.dimension = dimension
        self.script: list[Callable[[Any, dict[str, Any]], None]] = []
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.url = ""

    def honest(self, body: dict[str, Any]) -> dict[str, Any]:
        size = body.get("dimensions") or self.dimension
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": n, "embedding": vector_of(text, size)}
                for n, text in enumerate(body["input"])
            ],
            "model": body["model"],
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }


def send(handler: Any, status: int, body: Any, **headers: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


@contextmanager
def serving(server: EmbeddingsServer) -> Iterator[EmbeddingsServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.requests.append(body)
            server.headers.append({k.lower(): v for k, v in self.headers.items()})
            server.times.append(time.monotonic())
            assert self.path == "/v1/embeddings", self.path
            if server.script:
                server.script.pop(0)(self, body)
            else:
                send(self, 200, server.honest(body))

        def log_message(self, *args: object) -> None:
            return None

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}/v1"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
