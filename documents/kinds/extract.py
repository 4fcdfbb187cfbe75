"""documents.extract: bring the tables of documents into one canonical table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import NoReverseMatch, reverse
from rest_framework import serializers

from jobs.models import Job
from jobs.registry import job_kind
from jobs.running import JobFailed, RunningJob

MAX_DOCUMENTS = 500


class Options(serializers.Serializer[Any]):
    documents = serializers.ListField(
        child=serializers.UUIDField(),
        min_length=1,
        max_length=MAX_DOCUMENTS,
        help_text="Ids of the documents; their newest versions are read.",
    )
    configuration = serializers.CharField(
        max_length=80, help_text="The configuration's name: what to extract."
    )
    version = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        help_text="Its version; the active one when left out.",
    )
    operation = serializers.ChoiceField(
        choices=["validate", "process"],
        default="process",
        help_text="validate: map and check only; process: write the result too.",
    )
    sheets = serializers.ListField(
        child=serializers.CharField(max_length=200),
        default=list,
        max_length=200,
        help_text="Names of the sheets to read, * and ? allowed; what the configuration says when empty.",
    )
    dry_run = serializers.BooleanField(
        default=False,
        help_text="Show what would come out (the first rows of each table) and keep no result.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        from documents.models import Configuration, VersionState

        found = Configuration.objects.filter(name=attrs["configuration"]).first()
        if found is None:
            known = ", ".join(Configuration.objects.values_list("name", flat=True)[:20])
            hint = f"Known: {known}." if known else "Import one, or add the ready-made ones."
            raise serializers.ValidationError(
                {"configuration": f"There is no configuration of this name. {hint}"}
            )
        versions = found.versions.all()
        if attrs.get("version") is not None:
            if not versions.filter(number=attrs["version"]).exists():
                numbers = ", ".join(str(n) for n in versions.values_list("number", flat=True)[:20])
                raise serializers.ValidationError(
                    {"version": f"It has no such version. There are: {numbers}."}
                )
        elif not versions.filter(state=VersionState.ACTIVE).exists():
            raise serializers.ValidationError(
                {"version": "No version is active. Activate one, or say which to use."}
            )
        if len(set(attrs["documents"])) != len(attrs["documents"]):
            raise serializers.ValidationError({"documents": "One document is named twice."})
        return attrs


def _page(job: Job) -> str:
    from documents.models import ExtractionRun

    if not ExtractionRun.objects.filter(pk=job.pk).exists():
        return ""
    try:
        return reverse("admin:documents_extractionrun_change", args=[job.pk])
    except NoReverseMatch:
        return ""  # the console is not served here


@job_kind(
    "documents.extract",
    options=Options,
    label="Extract tables",
    isolated=True,
    imports=("documents.extraction_job",),
    memory_mb=4_000,
    timeout_s=3600,
    max_attempts=3,
    page=_page,
    page_label="Extracted tables",
)
def run(job: RunningJob) -> Mapping[str, Any]:
    """Find, map, transform and validate the tables of documents by a configuration.

    Ends failed when not one of the documents could be read; what was read is kept all the same.
    """
    from documents.configurations.checking import InvalidConfiguration
    from documents.extraction_job import run_extraction

    try:
        return run_extraction(job)
    except InvalidConfiguration as error:
        raise JobFailed("invalid_configuration", str(error)) from error
