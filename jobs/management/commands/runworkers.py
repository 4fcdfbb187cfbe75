"""`manage.py runworkers`: one cluster, in the foreground."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from jobs.queue.cluster import run_cluster


class Command(BaseCommand):
    # They look at the code, as `make check` does, and load all of the console for it.
    requires_system_checks: list[str] | tuple[str, ...] = ()
    help = "Run the workers of one queue in the foreground; SIGTERM drains them. `up` starts these."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--queue", default="default", help="one of: " + ", ".join(settings.QUEUES)
        )
        parser.add_argument(
            "--workers", type=int, help="worker processes (default: as in settings.QUEUES)"
        )
        parser.add_argument(
            "--ready-fd", type=int, help="file descriptor: write a line to it once ready"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        queue = options["queue"]
        if queue not in settings.QUEUES:
            raise CommandError(
                f"There is no queue {queue!r}; there are: {', '.join(settings.QUEUES)}."
            )
        workers = options["workers"] or settings.QUEUES[queue]
        code = run_cluster(queue=queue, workers=workers, ready_fd=options["ready_fd"])
        sys.stdout.flush()
        # Everything has ended or is to end now; django-q2's exit hooks would wait for what is dead.
        os._exit(code)
