"""documents.extract as a job: every option has its effect, failures keep what there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.utils import timezone

from documents.configurations import services as configurations
from documents.models import ExtractionRun
from jobs import services
from jobs.models import Job, Status
from tests.documents.stored import CONFIGURATION, CSV, XLSX, configured, stored, workbook
from tests.fixtures.jobs import RunJob

GOLDEN = Path(__file__).parent / "golden/extract_events.json"


def read(job: Job, path: str) -> bytes:
    artifact = job.artifacts.get(path=path, visible=True)
    with default_storage.open(artifact.storage_name, "rb") as file:
        return bytes(file.read())


def report(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read(job, "report.json"))
    return found


def paths(job: Job) -> set[str]:
    return set(job.artifacts.filter(visible=True).values_list("path", flat=True))


def test_it_writes_the_table_in_all_forms_and_reports(
    database: str, run_job: RunJob, owner: User
) -> None:
    configured(owner)
    document = stored(owner, "march.csv", CSV)
    job = run_job("documents.extract", documents=[str(document.pk)], configuration="invoices")
    assert (job.status, job.error) == (Status.SUCCEEDED, "")
    assert paths(job) == {
        "report.json",
        "normalised.xlsx",
        "normalised.csv",
        "normalised.json",
        "tables/1.jsonl",
    }
    assert job.result["evaluation"] == "partial"
    assert job.result["counts"]["issues"] == {"error": 1}
    rows = json.loads(read(job, "normalised.json"))["rows"]
    assert rows[0] == {
        "number": "A-1",
        "day": "2024-03-25",
        "amount": 10.5,
        "_source": {"document": "march.csv", "sheet": "march", "row": 2},
    }
    run = ExtractionRun.objects.get(pk=job.pk)
    assert run.documents.get().document_id == document.pk
    assert run.tables.get().rows == 3
    mapping = report(job)["documents"][0]["tables"][0]["mapping"]
    assert [(each["field"], each["unmappedReason"]) for each in mapping] == [
        ("number", None),
        ("day", None),
        ("amount", None),
        (None, "no_signal"),
    ]


def test_the_same_input_and_version_give_the_same_bytes(run_job: RunJob, owner: User) -> None:
    configured(owner)
    document = stored(owner, "march.csv", CSV)
    first, second = (
        run_job("documents.extract", documents=[str(document.pk)], configuration="invoices")
        for _ in range(2)
    )
    for path in paths(first):
        assert read(first, path) == read(second, path), path


def test_validate_writes_no_result_and_a_dry_run_keeps_none(run_job: RunJob, owner: User) -> None:
    configured(owner)
    lines = "".join(f"B-{n};25.03.2024;1,00;\n" for n in range(150))
    document = stored(owner, "march.csv", CSV.splitlines(keepends=True)[0] + lines)
    ids = [str(document.pk)]
    checked = run_job(
        "documents.extract", documents=ids, configuration="invoices", operation="validate"
    )
    assert paths(checked) == {"report.json", "tables/1.jsonl"}
    assert read(checked, "tables/1.jsonl").count(b"\n") == 150
    dry = run_job("documents.extract", documents=ids, configuration="invoices", dry_run=True)
    assert paths(dry) == {"report.json", "tables/1.jsonl"}
    assert read(dry, "tables/1.jsonl").count(b"\n") == 100
    assert ExtractionRun.objects.get(pk=dry.pk).dry_run


def test_a_version_and_sheets_can_be_chosen(run_job: RunJob, owner: User) -> None:
    first = configured(owner)
    draft = configurations.save_draft(
        configuration=first.configuration,
        text=CONFIGURATION.replace("label: Amount", "label: Sum paid"),
        by=owner,
    )
    rows = [["Invoice no", "Amount"], ["A1", 1], ["A2", 2]]
    document = stored(owner, "two.xlsx", workbook({"May": rows, "June": rows[:2]}), media_type=XLSX)
    options = {"documents": [str(document.pk)], "configuration": "invoices"}
    job = run_job("documents.extract", **options, sheets=["Ju*"])
    assert job.result["counts"]["rows"] == 1
    assert report(job)["documents"][0]["ignoredSheets"] == [
        {"sheet": "May", "why": "not_asked_for"}
    ]
    by_draft = run_job("documents.extract", **options, version=draft.number)
    assert by_draft.result["configuration"] == {"name": "invoices", "version": 2}
    assert json.loads(read(by_draft, "normalised.json"))["columns"][2]["label"] == "Sum paid"


def test_options_that_can_not_be_are_refused(owner: User) -> None:
    version = configured(owner)
    document = stored(owner, "march.csv", CSV)
    good = {"documents": [str(document.pk)], "configuration": "invoices"}
    for bad, name in (
        ({"configuration": "unknown"}, "configuration"),
        ({"version": 7}, "version"),
        ({"documents": []}, "documents"),
        ({"documents": [str(document.pk)] * 2}, "documents"),
        ({"operation": "guess"}, "operation"),
        ({"colour": "red"}, "colour"),
    ):
        with pytest.raises(services.InvalidOptions) as refused:
            services.submit(kind="documents.extract", options={**good, **bad}, by=owner)
        assert name in refused.value.errors
    configurations.archive(version=version, by=owner)
    with pytest.raises(services.InvalidOptions) as refused:
        services.submit(kind="documents.extract", options=good, by=owner)
    assert "version" in refused.value.errors


def test_one_bad_document_does_not_take_the_others_along(run_job: RunJob, owner: User) -> None:
    configured(owner)
    good = stored(owner, "march.csv", CSV)
    empty = stored(owner, "empty.csv", b"")
    deleted = stored(owner, "gone.csv", CSV)
    deleted.deleted_at = timezone.now()
    deleted.save()
    ids = [str(each.pk) for each in (empty, deleted, good)]
    job = run_job("documents.extract", documents=ids, configuration="invoices")
    assert job.status == Status.SUCCEEDED
    assert [(d["error"], d["evaluation"]) for d in report(job)["documents"]] == [
        ("empty_document", "unknown"),
        ("document_deleted", "unknown"),
        ("", "partial"),
    ]
    golden = json.loads(GOLDEN.read_text())
    told = [
        {"type": event.type, "data": {**event.data, "documentId": "…"}}
        for event in job.events.filter(type__startswith="extract.")
    ]
    assert told == golden


def test_a_run_without_a_row_fails_with_its_reason(run_job: RunJob, owner: User) -> None:
    configured(owner)
    document = stored(owner, "note.csv", "just a note\n")
    job = run_job("documents.extract", documents=[str(document.pk)], configuration="invoices")
    assert (job.status, job.reason) == (Status.FAILED, "no_table")
    assert report(job)["evaluation"] == "failure"
    foreign = stored(User.objects.create_user("somebody"), "theirs.csv", CSV)
    job.owner.is_superuser = False
    job.owner.save()
    refused = run_job("documents.extract", documents=[str(foreign.pk)], configuration="invoices")
    assert (refused.status, refused.reason) == (Status.FAILED, "document_not_found")
