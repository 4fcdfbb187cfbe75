"""`manage.py importjob <file.zip>`: a job that `exportjob` wrote, made anew here."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from jobs import portable
from jobs.files import StorageFull


class Command(BaseCommand):
    help = (
        "Import a job that exportjob wrote, under its own id: refused when it was damaged or "
        "changed, or when there is such a job. It belongs to the user of its owner's name where "
        "there is one, or to --owner. Nothing of it runs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--max-mb",
            type=int,
            default=portable.MAX_BYTES // 1024**2,
            help="refuse what takes more than this unpacked (default: %(default)s)",
        )
        parser.add_argument("--owner", help="name of the user whose job it is to be")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with options["file"].open("rb") as source:
                name = options["owner"] or portable.owner_of(source)
                owner = get_user_model().objects.filter(username=name).first()
                if owner is None:
                    raise CommandError(
                        f"There is no user {name!r} here: say whose it is with --owner."
                    )
                found = portable.import_job(
                    source=source, owner=owner, max_bytes=options["max_mb"] * 1024**2
                )
        except (portable.BadExport, portable.JobExists, StorageFull) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{options['file']} can not be read: {error}") from error
        self.stdout.write(
            f"Imported job {found.job.pk} ({found.job}): {found.artifacts} artifacts, "
            f"{found.size_bytes} bytes, of {owner.get_username()}."
        )
        for note in found.notes:
            self.stdout.write(f"Note: {note}")
