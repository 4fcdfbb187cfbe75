"""What extractions found: runs, their documents and tables, and what people corrected."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from documents.models.configurations import ConfigurationVersion
from documents.models.document import Document, DocumentVersion
from jobs.models import Job


class ExtractionRunQuerySet(models.QuerySet["ExtractionRun"]):
    def visible_to(self, user: Any) -> ExtractionRunQuerySet:
        """The runs of jobs that `user` may see."""
        return self.filter(job__in=Job.objects.visible_to(user))


class ExtractionRun(models.Model):
    """What one extraction job found. Written with the job's end, or as far as it came."""

    class Evaluation(models.TextChoices):
        SUCCESS = "success", "Success"
        PARTIAL = "partial", "Partial"
        FAILURE = "failure", "Failure"
        UNKNOWN = "unknown", "Unknown"

    job = models.OneToOneField(
        Job, on_delete=models.CASCADE, related_name="extraction", primary_key=True
    )
    version = models.ForeignKey(ConfigurationVersion, on_delete=models.PROTECT, related_name="runs")
    operation = models.CharField(max_length=10)
    dry_run = models.BooleanField(default=False)
    evaluation = models.CharField(max_length=10, choices=Evaluation.choices)
    # The report without its documents: reasons, counts, fields, columns.
    summary = models.JSONField(default=dict)
    # Not all documents were looked at: the job was cancelled or failed before.
    broken_off = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    objects = ExtractionRunQuerySet.as_manager()

    class Meta:
        ordering = ["-job"]

    def __str__(self) -> str:
        return f"extraction {self.job_id}"


class ExtractedDocument(models.Model):
    """What one run found in one document."""

    run = models.ForeignKey(
        ExtractionRun, on_delete=models.CASCADE, related_name="documents", db_index=False
    )
    position = models.PositiveIntegerField()
    document = models.ForeignKey(
        Document, on_delete=models.SET_NULL, null=True, related_name="extractions", db_index=False
    )
    document_version = models.ForeignKey(
        DocumentVersion, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    name = models.CharField(max_length=200)
    evaluation = models.CharField(max_length=10, choices=ExtractionRun.Evaluation.choices)
    error = models.CharField(max_length=60, blank=True)
    message = models.TextField(blank=True)
    tables_found = models.PositiveIntegerField(default=0)
    rows = models.PositiveBigIntegerField(default=0)
    # Warnings, sheets that were not read, lines outside of tables.
    notes = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint("run", "position", name="extracted_position")]
        indexes = [models.Index("document", F("id").desc(), name="extracted_document_id")]
        ordering = ["run", "position"]

    def __str__(self) -> str:
        return self.name


class ExtractedTable(models.Model):
    """One table that a run found: where, what its columns are, and how its rows are read again."""

    run = models.ForeignKey(
        ExtractionRun, on_delete=models.CASCADE, related_name="tables", db_index=False
    )
    document = models.ForeignKey(ExtractedDocument, on_delete=models.CASCADE, related_name="tables")
    number = models.PositiveIntegerField()
    sheet = models.CharField(max_length=200)
    title = models.CharField(max_length=200, blank=True)
    rows = models.PositiveBigIntegerField()
    # The table as the report has it: mapping, issues, skipped rows, offsets of its rows' file.
    info = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint("run", "number", name="extracted_table_number")]
        ordering = ["run", "number"]

    def __str__(self) -> str:
        return f"table {self.number}"


class Correction(models.Model):
    """What a person said is right, where a run was wrong."""

    class Kind(models.TextChoices):
        MAPPING = "mapping"
        CELL = "cell"

    run = models.ForeignKey(
        ExtractionRun, on_delete=models.CASCADE, related_name="corrections", db_index=False
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    table = models.PositiveIntegerField()
    # Of a mapping: the column's letters and header, and the field it is (empty: none).
    column = models.CharField(max_length=3, blank=True)
    header = models.CharField(max_length=500, blank=True)
    field = models.CharField(max_length=60, blank=True)
    # Of a cell: its row in the source, what stood there, and what is right.
    row = models.PositiveBigIntegerField(default=0)
    raw = models.TextField(blank=True)
    value = models.TextField(blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    at = models.DateTimeField()
    promoted_to = models.ForeignKey(
        ConfigurationVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "table", "column"],
                condition=Q(kind="mapping"),
                name="correction_of_column",
            ),
            models.UniqueConstraint(
                fields=["run", "table", "row", "field"],
                condition=Q(kind="cell"),
                name="correction_of_cell",
            ),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.column or self.row}"
