from typing import Any

from django.apps import AppConfig


class BenchConfig(AppConfig):
    name = "bench"

    def ready(self) -> None:
        from rest_framework import serializers

        from jobs.registry import job_kind
        from jobs.running import RunningJob

        class Nothing(serializers.Serializer[Any]):
            pass

        @job_kind("bench.noop", options=Nothing)
        def noop(job: RunningJob) -> None:
            """Do nothing."""
