"""`manage.py createfirstadmin`: the way in for whoever installs this."""

import os
from secrets import token_urlsafe
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import transaction

from jobs import roles
from jobs.access import Role


class Command(BaseCommand):
    help = (
        "Create the user `admin` in the role admin, with ADMIN_PASSWORD or a generated password that is printed "
        "once. Does nothing when any user exists."
    )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model().objects
        if users.exists():
            return
        given = os.environ.get("ADMIN_PASSWORD")
        password = given or token_urlsafe(12)
        admin = users.create_superuser(username="admin", password=password)
        roles.put_in(user=admin, role=Role.ADMIN)
        shown = "the password in ADMIN_PASSWORD" if given else password
        self.stdout.write(f"Created the first user.\n  user:     admin\n  password: {shown}")
