"""`./run` as a new user meets it: one command, a printed way in, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent
START_S = 90
END_S = 30


class Running:
    """One `./run` and everything that it printed so far."""

    def __init__(self, *, data: Path, env: dict[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        data.mkdir(parents=True, exist_ok=True)
        self.output = data.with_name(f"{data.name}.{self.port}.txt")
        kept = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "SSL_"))}
        self.process = subprocess.Popen(
            [ROOT / "run"],
            stdout=self.output.open("wb"),
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(data),
                "DATA_DIR": str(data / "var"),
                "PORT": str(self.port),
                **kept,
                **env,
            },
            start_new_session=True,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def printed(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_until_served(self) -> str:
        """What was printed by the time the address was."""
        until = time.monotonic() + START_S
        while f"{self.url}" not in self.printed():
            assert self.process.poll() is None, self.printed()
            assert time.monotonic() < until, self.printed()
            time.sleep(0.1)
        return self.printed()

    def family(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def ended(self) -> bool:
        self.process.poll()
        return self.process.returncode is not None


def wait_gone(family: list[psutil.Process]) -> list[psutil.Process]:
    """Those of `family` that are still there after a while."""
    _, alive = psutil.wait_procs(family, timeout=END_S)
    return [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def begin(*, data: Path, **env: str) -> Running:
        started.append(Running(data=data, env=env))
        return started[-1]

    yield begin
    for one in started:
        if not one.ended():
            family = one.family()
            os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait()
            for survivor in wait_gone(family):
                survivor.kill()


@pytest.mark.timeout(300)
def test_a_first_start_prints_the_way_in_and_ctrl_c_leaves_nothing(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    first = start(data=tmp_path / "home")
    printed = first.wait_until_served()
    found = re.search(r"password: (\S+)", printed)
    assert found, printed
    with httpx.Client(base_url=first.url, trust_env=False) as client:
        assert client.get("/admin/login/").status_code == 200
        login = {"username": "admin", "password": found[1]}
        assert set(client.post("/api/auth/login", json=login).json()) == {"access", "refresh"}
    family = first.family()
    assert len(family) > 4, "web and two clusters run under one parent"
    first.process.send_signal(signal.SIGINT)
    assert wait_gone(family) == []
    assert first.process.wait() == 0, first.printed()

    # The same data again: no second password, and the first one still holds.
    again = start(data=tmp_path / "home")
    assert "password:" not in again.wait_until_served()
    with httpx.Client(base_url=again.url, trust_env=False) as client:
        assert client.post("/api/auth/login", json=login).status_code == 200
    family = again.family()
    again.process.kill()
    assert wait_gone(family) == []


@pytest.mark.timeout(180)
def test_the_admins_password_can_be_given_and_is_not_printed(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    given = start(data=tmp_path / "home", ADMIN_PASSWORD="correct horse battery", EMBEDDINGS="off")
    assert "correct horse battery" not in given.wait_until_served()
    with httpx.Client(base_url=given.url, trust_env=False) as client:
        answer = client.post(
            "/api/auth/login", json={"username": "admin", "password": "correct horse battery"}
        )
    assert answer.status_code == 200


@pytest.mark.timeout(180)
def test_a_taken_port_is_said_and_ends_the_start(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        second = start(data=tmp_path / "home", PORT=str(port), EMBEDDINGS="off")
        assert second.process.wait(timeout=START_S) != 0
    assert str(port) in second.printed()
    assert "Traceback" not in second.printed()
