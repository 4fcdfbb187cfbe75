"""`manage.py exportjob <id> <file.zip>`: one ended job with all that it left, as a file."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from jobs import portable
from jobs.models import Job


class Command(BaseCommand):
    help = (
        "Write one ended job with its attempts, events and artifacts to a zip file, each file "
        "verified against its hash. Secrets stay sealed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", help="the job's id")
        parser.add_argument("file", type=Path, help="the zip file to write; must not exist")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            job = Job.objects.select_related("owner").get(pk=UUID(options["id"]))
        except (ValueError, Job.DoesNotExist) as error:
            raise CommandError(f"There is no job {options['id']!r}.") from error
        target: Path = options["file"]
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        if target.exists():
            raise CommandError(f"{target} exists already.")
        try:
            with draft.open("xb") as out:
                counts = portable.export(job=job, to=out)
            # Only whole, and never over a file that appeared meanwhile.
            os.link(draft, target)
        except portable.JobNotExportable as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{target} can not be written: {error}") from error
        finally:
            draft.unlink(missing_ok=True)
        self.stdout.write(
            f"Exported job {job.pk} ({job}): {counts['events']} events, "
            f"{counts['artifacts']} artifacts, {target.stat().st_size} bytes."
        )
