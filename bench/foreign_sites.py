"""A Django project of its own, thrown away afterwards: the admin, as `startproject` makes it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

USERNAME, PASSWORD = "operator", "a long pass phrase 7"
START_TIMEOUT_S = 60


@contextmanager
def django_admin() -> Iterator[str]:
    """Its address; log in as USERNAME with PASSWORD."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        environment = {
            name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")
        }
        environment |= {
            "DJANGO_SUPERUSER_USERNAME": USERNAME,
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
            "DJANGO_SUPERUSER_EMAIL": "operator@example.com",
        }

        def manage(*command: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [sys.executable, *command],
                cwd=folder,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

        for command in (
            ("-m", "django", "startproject", "shop", "."),
            ("manage.py", "migrate"),
            ("manage.py", "createsuperuser", "--noinput"),
        ):
            if manage(*command).wait() != 0:
                raise RuntimeError(f"The throw-away project failed at {' '.join(command)}.")
        server = manage("manage.py", "runserver", "--noreload", f"127.0.0.1:{port}")
        try:
            _wait_for(f"http://127.0.0.1:{port}/admin/login/")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            httpx.get(url, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def make_pages(folder: Path) -> None:
    """Pages of a few lines for packages that ship components and no page, as their readmes show them."""
    for name, html in PAGES.items():
        (folder / name).write_text(f"<!doctype html><meta charset=utf-8>{html}", encoding="utf-8")


PAGES = {
    "shoelace.html": """<title>Shoelace</title>
<link rel=stylesheet href=/shoelace-style-shoelace-2.20.1/package/cdn/themes/light.css>
<script type=module src=/shoelace-style-shoelace-2.20.1/package/cdn/shoelace.js></script>
<form><sl-input name=name label=Name required></sl-input>
<sl-select name=pet label=Pet><sl-option value=cat>Cat</sl-option><sl-option value=dog>Dog</sl-option></sl-select>
<sl-checkbox name=terms>I accept</sl-checkbox> <sl-rating label=Stars></sl-rating>
<sl-tab-group><sl-tab slot=nav panel=general>General</sl-tab><sl-tab slot=nav panel=advanced>Advanced</sl-tab>
<sl-tab-panel name=general>General things</sl-tab-panel><sl-tab-panel name=advanced>Advanced things</sl-tab-panel></sl-tab-group>
<sl-button id=open>Open dialog</sl-button> <sl-button type=submit variant=primary>Send</sl-button></form>
<sl-dialog label=Dialog>Hello from the dialog</sl-dialog><p id=said>nothing yet</p>
<script>
document.getElementById('open').onclick = () => document.querySelector('sl-dialog').show();
document.querySelector('form').onsubmit = (event) => { event.preventDefault(); document.getElementById('said').textContent = [...new FormData(event.target)].join(' '); };
</script>""",
    "flatpickr.html": """<title>flatpickr</title>
<link rel=stylesheet href=/flatpickr-4.6.13/package/dist/flatpickr.min.css>
<script src=/flatpickr-4.6.13/package/dist/flatpickr.min.js></script>
<label>Date <input id=date></label> <label>Range <input id=range></label>
<script>flatpickr('#date', {}); flatpickr('#range', { mode: 'range' });</script>""",
    "sortable.html": """<title>SortableJS</title>
<script src=/sortablejs-1.15.7/package/Sortable.min.js></script>
<ul id=list><li>Item 1</li><li>Item 2</li><li>Item 3</li><li>Item 4</li></ul>
<script>new Sortable(document.getElementById('list'));</script>""",
}
