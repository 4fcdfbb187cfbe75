"""`manage.py prepare`: everything between installing and serving, quick where it was done before."""

import hashlib
import subprocess
import sys
from typing import Any

from django import get_version
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand

from ingestion import embedding
from jobs import schedules


class Command(BaseCommand):
    help = "Prepare the database, static files, browser, embedding model and first admin; harmless to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
        call_command("migrate", interactive=False, verbosity=0)
        self._collect_static()
        call_command("browser", install=True)
        self._get_model()
        call_command("createfirstadmin")
        schedules.ensure_upkeep()

    def _get_model(self) -> None:
        if embedding.installable():
            # Once, and elsewhere: what making it takes (200 MB) would stay with `up` for good.
            command = [sys.executable, sys.argv[0], "embeddings", "--install", "--optional"]
            subprocess.run(command, check=True)
        else:
            call_command("embeddings", optional=True)

    def _collect_static(self) -> None:
        """Collect only when a file changed: hashing and compressing all takes seconds."""
        digest = hashlib.sha256(get_version().encode())
        for finder in get_finders():
            for path, storage in finder.list([]):
                digest.update(
                    f"{path} {storage.size(path)} {storage.get_modified_time(path)}".encode()
                )
        stamp = settings.DATA_DIR / "static.sha256"
        if stamp.exists() and stamp.read_text() == digest.hexdigest():
            return
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)
        stamp.write_text(digest.hexdigest())
