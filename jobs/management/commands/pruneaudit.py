"""`manage.py pruneaudit`: the one way to shorten the audit trail, which leaves its own entry."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from jobs import audit
from jobs.audit_triggers import PRUNED
from jobs.models import AuditEntry

LEAST_DAYS = 30
AT_ONCE = 1000


class Command(BaseCommand):
    help = (
        "Remove audit entries older than a number of days. Export them first (GET "
        "/api/admin/audit/export): nothing else keeps them. That they were removed is on record."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than-days", type=int, required=True, metavar="DAYS")

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["older_than_days"]
        if days < LEAST_DAYS:
            raise CommandError(f"--older-than-days: at least {LEAST_DAYS}, not {days}.")
        before = timezone.now() - timedelta(days=days)
        old = AuditEntry.objects.filter(at__lt=before)
        count = old.count()
        if not count:
            self.stdout.write("No audit entry is that old.")
            return
        # First, and for good: the database lets go of older entries only once this is there.
        audit.record(action=PRUNED, by=None, data={"before": before.isoformat(), "entries": count})
        removed = 0
        while ids := list(old.order_by("id").values_list("id", flat=True)[:AT_ONCE]):
            with transaction.atomic():
                removed += AuditEntry.objects.filter(id__in=ids)._raw_delete("default")
        self.stdout.write(f"Removed {removed} audit entries from before {before:%Y-%m-%d}.")
