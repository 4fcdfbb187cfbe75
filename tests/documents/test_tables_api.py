"""Extracted tables over REST and in the console; corrections, and how a draft learns from them."""

from __future__ import annotations

import io
import json
from typing import Any

import openpyxl
import pytest
from django.contrib.auth.models import User
from django.test import Client

from documents.extraction.writers import INDEX_EVERY
from documents.models import Configuration, ExtractionRun, VersionState
from jobs import services
from jobs.models import Job
from tests.documents.stored import CSV, configured, stored
from tests.factories import JobFactory
from tests.fixtures.jobs import RunJob


@pytest.fixture
def http(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def post(client: Client, url: str, data: Any = None) -> Any:
    return client.post(url, json.dumps(data or {}), content_type="application/json")


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else bytes(response.content)


def test_tables_as_json_csv_and_workbook(run_job: RunJob, owner: User, http: Client) -> None:
    configured(owner)
    lines = "".join(f"B-{n};25.03.2024;{n},50;\n" for n in range(INDEX_EVERY + 20))
    document = stored(owner, "march.csv", CSV + lines)
    unread = http.get(f"/api/documents/{document.pk}/tables")
    assert (unread.status_code, unread.json()["code"]) == (404, "not_extracted")
    waiting = post(http, f"/api/documents/{document.pk}/extract", {"configuration": "invoices"})
    assert waiting.status_code == 202
    for url in (f"/api/jobs/{waiting.json()['id']}/tables", f"/api/documents/{document.pk}/tables"):
        answer = http.get(url)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_finished")
    services.cancel(job=Job.objects.get(pk=waiting.json()["id"]), by=owner)
    job = run_job("documents.extract", documents=[str(document.pk)], configuration="invoices")

    listed = http.get(f"/api/jobs/{job.pk}/tables").json()
    assert (listed["status"], listed["failure"]) == ("succeeded", None)
    assert listed["run"]["evaluation"] == "partial"
    [table] = listed["results"]
    assert table["rowCount"] == INDEX_EVERY + 23
    assert [column["name"] for column in table["columns"]] == ["number", "day", "amount"]
    assert table["sampleRows"][2] == {
        "row": 4,
        "values": {"number": "A-3", "day": "2024-03-27", "amount": -1},
        "cells": {"number": "A4", "day": "B4", "amount": "C4"},
        "raw": {"A": "A-3", "B": "27.03.2024", "C": "-1,00", "D": "bad"},
        "issues": [
            {"field": "amount", "code": "min", "severity": "error", "message": "-1 is less than 0."}
        ],
        "corrected": [],
    }
    one = f"/api/jobs/{job.pk}/tables/1"
    page = http.get(f"{one}?offset={INDEX_EVERY + 1}&limit=2").json()
    assert [row["row"] for row in page["rows"]] == [INDEX_EVERY + 3, INDEX_EVERY + 4]
    assert page["nextOffset"] == INDEX_EVERY + 3
    assert http.get(f"{one}?offset={INDEX_EVERY + 20}").json()["nextOffset"] is None
    assert http.get(f"{one}?limit=0").status_code == 400
    assert http.get(f"/api/jobs/{job.pk}/tables/9").status_code == 404

    as_csv = http.get(one, HTTP_ACCEPT="text/csv")
    assert as_csv["Content-Type"].startswith("text/csv")
    assert body(as_csv).decode("utf-8-sig").splitlines()[1] == "A-1,2024-03-25,10.5"
    xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    as_book = http.get(f"/api/documents/{document.pk}/tables/1", HTTP_ACCEPT=xlsx)
    sheet = openpyxl.load_workbook(io.BytesIO(body(as_book)))["Data"]
    assert sheet["A2"].value == "A-1"
    assert sheet["B2"].value.date().isoformat() == "2024-03-25"
    by_document = http.get(f"/api/documents/{document.pk}/tables").json()
    assert by_document["jobId"] == str(job.pk)

    User.objects.create_user("other", is_staff=True)
    other = Client()
    other.force_login(User.objects.get(username="other"))
    assert other.get(one).status_code in {403, 404}
    assert other.get(f"/admin/documents/extractionrun/{job.pk}/change/").status_code in {
        302,
        403,
        404,
    }


def test_a_failed_job_tells_why_and_a_foreign_kind_has_no_tables(
    run_job: RunJob, owner: User, http: Client
) -> None:
    configured(owner)
    document = stored(owner, "empty.csv", b"")
    job = run_job("documents.extract", documents=[str(document.pk)], configuration="invoices")
    answer = http.get(f"/api/jobs/{job.pk}/tables").json()
    assert answer["status"] == "failed"
    assert answer["failure"]["reason"] == "empty_document"
    assert any("no bytes" in line for line in answer["failure"]["logExcerpt"])
    assert answer["results"] == []
    foreign = JobFactory.create(owner=owner, kind="recorder.replay")
    assert http.get(f"/api/jobs/{foreign.pk}/tables").json()["code"] == "no_tables"


def test_corrections_are_shown_and_go_into_the_next_draft(
    run_job: RunJob, owner: User, http: Client
) -> None:
    configured(owner)
    lines = "Beleg;Invoice date;Amount\nA-1;25.03.2024;ten\nA-2;26.03.2024;20,00\n"
    document = stored(owner, "march.csv", lines)
    ids = [str(document.pk)]
    job = run_job("documents.extract", documents=ids, configuration="invoices")
    assert job.result["evaluation"] == "failure"
    url = f"/api/jobs/{job.pk}/corrections"
    nowhere = {"kind": "mapping", "table": 1, "column": "Z", "field": "number"}
    assert post(http, url, nowhere).status_code == 422
    assert post(http, url, {"kind": "cell", "table": 1, "field": "amount"}).status_code == 400
    mapping = {"kind": "mapping", "table": 1, "column": "A", "field": "number"}
    assert post(http, url, mapping).status_code == 201
    cell = {"kind": "cell", "table": 1, "row": 2, "field": "amount", "value": "10"}
    made = post(http, url, cell)
    assert (made.status_code, made.json()["raw"]) == (201, "ten")
    row = http.get(f"/api/jobs/{job.pk}/tables/1").json()["rows"][0]
    assert (row["values"]["amount"], row["corrected"], row["issues"]) == ("10", ["amount"], [])

    page = http.get(f"/admin/documents/extractionrun/{job.pk}/change/").content.decode()
    assert "no column is number" in page
    done = post(http, f"{url}/promote").json()
    assert (done["version"], len(done["promoted"]), done["leftOut"]) == (2, 2, [])
    assert post(http, f"{url}/promote").json()["code"] == "nothing_to_promote"
    draft = Configuration.objects.get(name="invoices").versions.get(state=VersionState.DRAFT)
    assert "Beleg" in draft.text
    again = run_job("documents.extract", documents=ids, configuration="invoices", version=2)
    assert again.result["evaluation"] == "success", again.result
    rows = http.get(f"/api/jobs/{again.pk}/tables/1").json()["rows"]
    assert [row["values"]["amount"] for row in rows] == [10, 20]

    compared = http.get(
        f"/admin/documents/extractionrun/{again.pk}/compare/?with={job.pk}"
    ).content.decode()
    assert "Columns mapped differently" in compared
    assert "Beleg" in compared
    assert http.delete(f"{url}/{made.json()['id']}").status_code == 204
    assert http.get(f"/api/jobs/{job.pk}/tables/1").json()["rows"][0]["corrected"] == []


def test_the_pages_say_what_to_do_next(owner: User, http: Client) -> None:
    assert "No extraction yet" in http.get("/admin/documents/extractionrun/").content.decode()
    start = "/admin/documents/extractionrun/start/"
    assert "First a configuration" in http.get(start).content.decode()
    configured(owner)
    assert "First a document" in http.get(start).content.decode()
    document = stored(owner, "march.csv", CSV)
    assert "march.csv" in http.get(start).content.decode()
    refused = http.post(start, {"configuration": "invoices", "documents": []})
    assert refused.status_code == 422
    sent = http.post(
        start,
        {
            "configuration": "invoices",
            "documents": [str(document.pk)],
            "dry_run": "on",
            "sheets": "a, b*",
        },
    )
    assert sent.status_code == 302
    options = Job.objects.get(kind="documents.extract").options
    assert (options["dry_run"], options["sheets"]) == (True, ["a", "b*"])
    assert not ExtractionRun.objects.exists()
