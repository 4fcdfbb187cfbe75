"""`manage.py up`: everything that Tapedeck runs, under one parent."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor

from jobs.listening import listen
from jobs.logs import json_line
from jobs.queue.up import Part, Supervisor


class Command(BaseCommand):
    # They look at the code, as `make check` does, and load all of the console for it.
    requires_system_checks: list[str] | tuple[str, ...] = ()
    help = (
        "Run the web server and the workers of every queue under one parent. Ctrl-C or SIGTERM "
        "drains and stops everything, a second one at once. For more machines: `up --only web` on "
        "some and `up --only workers [--queue NAME]` on others, with DATABASE_URL, REDIS_URL and "
        "AWS_STORAGE_BUCKET_NAME pointing to what they share."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--only", choices=["web", "workers"], help="run only this half")
        parser.add_argument(
            "--queue", action="append", help="workers of this queue only; repeatable"
        )
        parser.add_argument(
            "--prepare", action="store_true", help="first do what `manage.py prepare` does"
        )
        parser.add_argument("--host", default=settings.HOST)
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument(
            "--drain-s",
            type=float,
            default=settings.DRAIN_S,
            help="how long running jobs may take to end when stopping (default: %(default)s s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        queues = options["queue"] or list(settings.QUEUES)
        if unknown := set(queues) - set(settings.QUEUES):
            raise CommandError(
                f"No such queue: {', '.join(unknown)}. Known: {', '.join(settings.QUEUES)}."
            )
        if options["only"] != "workers":
            # Said now: making everything ready and then not being served would be worse.
            listen(options["host"], options["port"]).close()
        if options["prepare"]:
            call_command("prepare")
        self._check_migrations()
        parts = []
        if options["only"] != "workers":
            arguments = ["runweb", "--host", options["host"], "--port", str(options["port"])]
            parts.append(Part(name="web", arguments=arguments))
        if options["only"] != "web":
            parts += [
                Part(name=f"{queue} workers", arguments=["runworkers", "--queue", queue])
                for queue in queues
            ]
        host = f"[{options['host']}]" if ":" in options["host"] else options["host"]

        def on_ready() -> None:
            if options["only"] != "workers":
                url = settings.PUBLIC_URL or f"http://{host}:{options['port']}"
                self._say(f"Tapedeck is ready: {url}/admin/   (Ctrl-C stops it)")
            else:
                self._say(f"The workers are ready: {', '.join(queues)}   (Ctrl-C stops them)")

        supervisor = Supervisor(
            parts=parts,
            drain_s=options["drain_s"],
            say=self._say,
            # A name before it would make a line that is no JSON of one that is.
            label_output=settings.LOG_FORMAT != "json",
        )
        if code := supervisor.run(on_ready=on_ready):
            raise CommandError("Tapedeck did not start.", returncode=code)
        self._say("Stopped.")

    def _say(self, line: str) -> None:
        if settings.LOG_FORMAT == "json" and not line.startswith("{"):
            line = json_line(level="INFO", logger="up", message=line, at=datetime.now(UTC))
        self.stdout.write(line)
        self.stdout.flush()

    def _check_migrations(self) -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise CommandError("The database is not up to date: run `manage.py migrate` first.")
        connections.close_all()
