"""Configurations: what is wrong with a text, versions, the ready-made ones, plug-ins, the API."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.contrib.auth.models import User
from django.test import Client

from documents.configurations import services
from documents.configurations.checking import InvalidConfiguration, checked, definition_of, schema
from documents.configurations.comparing import differences
from documents.configurations.services import EXAMPLES
from documents.extraction import plugins, sources
from documents.extraction.engine import Mode, Run
from documents.models import Configuration, ConfigurationVersion, VersionState
from jobs.access import NotAllowed, Role
from jobs.audit import AuditEntry
from jobs.roles import put_in
from tests.documents.stored import CONFIGURATION, XLSX


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_superuser("admin", password="pw")


@pytest.fixture
def http(admin: User) -> Client:
    client = Client()
    client.force_login(admin)
    return client


def post(client: Client, url: str, data: Any = None) -> Any:
    return client.post(url, json.dumps(data or {}), content_type="application/json")


def flaws(text: str) -> dict[str, str]:
    with pytest.raises(InvalidConfiguration) as refused:
        checked(text)
    return {flaw.path: f"{flaw.why} {flaw.do}" for flaw in refused.value.flaws}


BASE = "tapedeck: 1\nname: x\nfields:\n  - name: a\n"


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("", "(text)", "Begin with"),
        ("a: [", "line 1, column 5", "no YAML"),
        ("a: &x [1]\nb: *x\n", "line 2", "alias"),
        ("tapedeck: 2\nname: x\nfields:\n  - name: a\n", "tapedeck", "Write 1"),
        ("tapedeck: 1\nfields:\n  - name: a\n", "(text)", "name is missing"),
        ("tapedeck: 1\nname: X y\nfields:\n  - name: a\n", "name", "small letter"),
        (BASE + "    colour: red\n", "fields[0]", "Known: date_order"),
        (BASE + "    type: money\n", "fields[0].type", "One of: text"),
        (BASE + "    synonyms: [yes]\n", "fields[0].synonyms[0]", "quotation marks"),
        (BASE + "    patterns: ['(']\n", "fields[0].patterns[0]", "no regular expression"),
        (BASE + "    transforms: [shout]\n", "fields[0].transforms[0]", "Known: absolute"),
        (
            BASE + "    transforms: [{round: many}]\n",
            "fields[0].transforms[0]",
            "takes a whole number",
        ),
        (BASE + "    validators: [{min: low}]\n", "fields[0].validators[0]", "takes a number"),
        (BASE + "    detectors: [magic]\n", "fields[0].detectors[0]", "No installed package"),
        (BASE + "    values: {minimum: 3, maximum: 1}\n", "fields[0].values", "Exchange"),
        (BASE + "  - name: a\n", "fields[1].name", "name of its own"),
        (BASE + "output: {columns: [b]}\n", "output.columns[0]", "One of: a"),
    ],
)
def test_what_is_wrong_names_the_place_why_and_what_to_do(text: str, path: str, words: str) -> None:
    found = flaws(text)
    assert path in found, found
    assert words in found[path]


def test_the_schema_is_one_and_the_examples_fit_it() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    for file in EXAMPLES.glob("*.yaml"):
        assert definition_of(file.read_text()).name == file.stem


@pytest.mark.parametrize(
    ("name", "sample", "rows", "unmapped"),
    [
        ("remittance-advice", "remittance-advice.xlsx", 3, 1),
        ("price-list", "price-list.csv", 3, 2),
        ("contact-list", "contact-list.csv", 3, 1),
        ("test-cases", "test-cases.xlsx", 3, 0),
    ],
)
def test_each_ready_made_configuration_reads_its_sample(
    tmp_path: Path, name: str, sample: str, rows: int, unmapped: int
) -> None:
    path = EXAMPLES / sample
    kind = XLSX if path.suffix == ".xlsx" else "text/csv"
    definition = definition_of((EXAMPLES / f"{name}.yaml").read_text())
    run = Run(definition=definition, version=1, folder=tmp_path, mode=Mode())
    run.document(
        key="1",
        name=sample,
        sha256="",
        opened=lambda: sources.opened(
            path, name=sample, media_type=kind, read=lambda: pytest.fail("not a table file")
        ),
    )
    report = run.finish()
    assert report["evaluation"] == "success", report["reasons"]
    assert report["counts"]["rows"] == rows
    assert report["counts"]["columns"] - report["counts"]["columnsMapped"] == unmapped


def test_versions_go_from_draft_to_active_to_archived(database: str) -> None:
    by = User.objects.create_superuser("owner")
    first = services.activate(version=services.create(text=CONFIGURATION, by=by), by=by)
    configuration = first.configuration
    changed = CONFIGURATION.replace("label: Amount", "label: Sum")
    draft = services.save_draft(configuration=configuration, text=changed, by=by)
    assert (draft.number, draft.state, draft.based_on_id) == (2, VersionState.DRAFT, first.pk)
    with pytest.raises(services.DraftChanged):
        services.save_draft(
            configuration=configuration, text=CONFIGURATION, by=by, expected_sha256=first.sha256
        )
    with pytest.raises(services.WrongState):
        services.start_draft(version=first, by=by)
    services.activate(version=draft, by=by)
    states = dict(configuration.versions.values_list("number", "state"))
    assert states == {1: VersionState.ARCHIVED, 2: VersionState.ACTIVE}
    with pytest.raises(services.NotADraft):
        services.delete_draft(version=draft, by=by)
    copy = services.clone(version=draft, name="other", by=by)
    assert copy.text == changed.replace("name: invoices", "name: other", 1)
    with pytest.raises(services.NameTaken):
        services.clone(version=draft, name="other", by=by)
    services.delete_draft(version=copy, by=by)
    assert not Configuration.objects.filter(name="other").exists()
    done = AuditEntry.objects.filter(action__startswith="configuration.", outcome="done")
    assert "configuration.activate" in set(done.values_list("action", flat=True))


def test_viewers_change_nothing(db: None) -> None:
    viewer = User.objects.create_user("viewer")
    put_in(user=viewer, role=Role.VIEWER)
    with pytest.raises(NotAllowed):
        services.create(text=CONFIGURATION, by=viewer)
    assert not ConfigurationVersion.objects.exists()


def test_a_comparison_is_in_words() -> None:
    before = checked(CONFIGURATION)
    after = checked(
        CONFIGURATION.replace("[invoice no, rechnungsnummer]", "[invoice no, factura]").replace(
            "type: date", "type: datetime"
        )
    )
    found = {
        (each.path, each.change): (each.before, each.after) for each in differences(before, after)
    }
    assert found == {
        ("fields › number › synonyms", "removed"): ("rechnungsnummer", ""),
        ("fields › number › synonyms", "added"): ("", "factura"),
        ("fields › day › type", "changed"): ("date", "datetime"),
    }


def test_the_api_of_configurations(http: Client) -> None:
    bad = post(http, "/api/configurations", {"text": BASE + "    type: money\n"})
    assert bad.status_code == 422
    assert bad.json()["code"] == "invalid_configuration"
    assert "fields[0].type" in bad.json()["errors"]
    made = http.post("/api/configurations", CONFIGURATION, content_type="application/yaml")
    assert made.status_code == 201, made.content
    assert made["Location"] == "/api/configurations/invoices/versions/1"
    assert post(http, "/api/configurations", {"text": CONFIGURATION}).status_code == 409
    assert (
        post(http, "/api/configurations/invoices/versions/1/activate").json()["state"] == "active"
    )
    assert post(http, "/api/configurations/invoices/versions/1/activate").status_code == 409
    changed = CONFIGURATION.replace("label: Amount", "label: Sum")
    saved = post(http, "/api/configurations/invoices/versions", {"text": changed, "note": "why"})
    assert (saved.status_code, saved.json()["number"], saved.json()["note"]) == (201, 2, "why")
    exported = http.get("/api/configurations/invoices/versions/2/export")
    assert exported.content.decode() == changed
    assert "invoices-v2.yaml" in exported["Content-Disposition"]
    compared = http.get("/api/configurations/invoices/compare?from=1&to=2").json()["results"]
    assert [each["path"] for each in compared] == ["fields › amount › label"]
    cloned = post(http, "/api/configurations/invoices/versions/2/clone", {"name": "bills"})
    assert cloned.json()["configuration"] == "bills"
    assert post(http, "/api/configurations/import", {"text": changed}).status_code == 409
    assert http.delete("/api/configurations/invoices/versions/2").status_code == 204
    assert post(http, "/api/configurations/import", {"text": changed}).json()["number"] == 2
    listed = http.get("/api/configurations/").json()["results"]
    assert [(each["name"], each["activeVersion"], each["draftVersion"]) for each in listed] == [
        ("bills", None, 1),
        ("invoices", 1, 2),
    ]
    assert http.get("/api/configurations/schema.json").json() == schema()
    assert http.get("/api/configurations/nothing").status_code == 404
    assert http.get("/api/configurations/invoices/versions/x").status_code == 404
    assert Client().get("/api/configurations").status_code == 401


def test_the_pages_of_configurations(http: Client) -> None:
    assert "Say what to extract" in http.get("/admin/documents/configuration/").content.decode()
    http.post("/admin/documents/configuration/examples/")
    listed = http.get("/admin/documents/configuration/").content.decode()
    assert "Remittance advice" in listed
    found = Configuration.objects.get(name="price-list")
    url = f"/admin/documents/configuration/{found.pk}"
    page = http.get(f"{url}/change/").content.decode()
    assert "There is no document yet" in page
    text = found.versions.get().text
    refused = http.post(f"{url}/save/", {"text": text.replace("type: decimal", "type: money")})
    assert refused.status_code == 422
    assert "fields[4].type" in refused.content.decode()
    http.post(f"{url}/save/", {"text": text.replace("label: EAN", "label: GTIN"), "note": "new"})
    assert found.versions.get(number=2).note == "new"
    assert "fields › ean › label" in http.get(f"{url}/compare/").content.decode()
    http.post(f"{url}/2/activate/")
    assert found.versions.get(number=2).state == VersionState.ACTIVE
    assert (
        "No installed package registers any"
        in http.get("/admin/documents/configuration/plugins/").content.decode()
    )


PLUGIN = '''
def looks_like_plate(header, values, field):
    """Car plates."""
    return 1.0 if values and all(str(v).startswith("B-") for v in values) else 0.0

def reverse(value, arguments):
    if "x" in str(value):
        raise ValueError("an x can not be reversed")
    return str(value)[::-1]

def even(value, arguments):
    return None if len(str(value)) % 2 == 0 else "it is odd"
'''


def test_plug_ins_of_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, http: Client
) -> None:
    wheel = tmp_path / "tiny_rules-1.2-py3-none-any.whl"
    info = "tiny_rules-1.2.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_rules.py", PLUGIN)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-rules\nVersion: 1.2\n"
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(
            f"{info}/entry_points.txt",
            "[tapedeck.detectors]\nplate = tiny_rules:looks_like_plate\n"
            "[tapedeck.transforms]\nreverse = tiny_rules:reverse\nbroken = tiny_rules:missing\n"
            "[tapedeck.validators]\neven = tiny_rules:even\n",
        )
        archive.writestr(f"{info}/RECORD", "")
    site = tmp_path / "site"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--no-index",
            "--target",
            str(site),
            str(wheel),
        ],
        check=True,
        capture_output=True,
    )
    monkeypatch.syspath_prepend(str(site))
    found = {each.name: each for each in plugins.installed()}
    assert set(found) == {"plate", "reverse", "broken", "even"}
    assert (found["plate"].package, found["plate"].version, found["plate"].doc) == (
        "tiny-rules",
        "1.2",
        "Car plates.",
    )
    assert "missing" in found["broken"].error
    text = (
        "tapedeck: 1\nname: cars\nfields:\n  - name: plate\n    detectors: [plate]\n"
        "    transforms: [reverse]\n    validators: [even]\n  - name: colour\n"
    )
    path = tmp_path / "cars.csv"
    path.write_text("what,Colour\nB-12,red\nB-123,blue\nB-x1,red\nB-34,red\nB-56,red\n")
    run = Run(definition=definition_of(text), version=1, folder=tmp_path / "out", mode=Mode())
    run.document(
        key="1",
        name="cars.csv",
        sha256="",
        opened=lambda: sources.opened(
            path,
            name="cars.csv",
            media_type="text/csv",
            read=lambda: pytest.fail("not a table file"),
        ),
    )
    [table] = run.finish()["documents"][0]["tables"]
    assert table["mapping"][0]["field"] == "plate"
    assert {(each["row"], each["code"]) for each in table["issues"]} == {
        (3, "even"),
        (4, "transform_failed"),
    }
    assert (
        (tmp_path / "out/normalised.csv")
        .read_text("utf-8-sig")
        .splitlines()[1]
        .startswith("21-B,red")
    )
    page = http.get("/admin/documents/configuration/plugins/").content.decode()
    assert "tiny-rules 1.2" in page
    assert "Broken" in page
    assert {
        each["name"] for each in http.get("/api/configurations/plugins").json()["plugins"]
    } == set(found)
