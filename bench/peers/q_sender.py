"""Sends one django-q2 job for each line on standard input; says so on standard output."""

import sys
import time

import django

django.setup()

from django_q.tasks import async_task  # noqa: E402  (needs the settings)

print("ready", flush=True)
for _ in sys.stdin:
    async_task("bench.peers.marks.mark", time.time())
    print("sent", flush=True)
