"""The files in deploy/: they parse, and what they name exists."""

from __future__ import annotations

import configparser
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands
from django.test import Client

from jobs import health, metrics
from tests.factories import TallyFactory

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KUBERNETES = [
    each for each in yaml.safe_load_all((DEPLOY / "kubernetes/tapedeck.yaml").read_text()) if each
]
ALERTS = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
DASHBOARD = json.loads((DEPLOY / "grafana/tapedeck.json").read_text())
SETTINGS = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.M))
# Read by boto3, not by our settings.
SETTINGS |= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def _series() -> set[str]:
    """Every series name of /metrics, once each thing that is measured has happened."""
    for what in ("job", "attempt"):
        TallyFactory(what=what, count=1, buckets=[1] * 10)
    metrics.SOCKETS.labels("jobs").inc(0)
    metrics.observe_lag(0)
    client = Client()
    client.get("/api/health/live")
    text = client.get("/metrics").content.decode()
    return set(re.findall(r"^([a-z_]+)[{ ]", text, re.M))


def _named(expression: str) -> set[str]:
    return set(re.findall(r"\btapedeck_[a-z_]+", expression))


@pytest.mark.django_db
def test_alerts_and_dashboard_name_metrics_that_exist() -> None:
    expressions = [rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]]
    expressions += [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    expressions += [each.get("definition", "") for each in DASHBOARD["templating"]["list"]]
    named = set().union(*map(_named, expressions))
    assert len(named) > 15
    assert named - _series() == set()


def test_alerts_say_what_is_wrong_and_what_to_do() -> None:
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    names = [rule["alert"] for rule in rules]
    assert len(names) == len(set(names))
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "action"}
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
        for left, right in ("()", "{}", "[]"):
            assert rule["expr"].count(left) == rule["expr"].count(right), rule["alert"]


def test_the_dashboard_is_whole() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    places = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & places, f"{panel['title']} lies over another panel"
        places |= cells
        assert place["x"] + place["w"] <= 24
        assert panel["targets"]
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)\b", json.dumps(DASHBOARD["panels"])))
    assert used - variables == set()


def _check_arguments(arguments: list[str]) -> None:
    assert arguments[0] in get_commands()
    for flag, value in pairwise(arguments):
        if flag == "--queue":
            assert value in settings.QUEUES
        if flag == "--only":
            assert value in {"web", "workers"}


def _probes(text: str) -> None:
    paths = re.findall(r"/api/health/(\w+)(?:\?checks=([\w,]+))?", text)
    assert paths
    for name, checks in paths:
        assert name in {"live", "ready"}
        for check in filter(None, checks.split(",")):
            assert check in health.CHECKS


def test_compose_names_services_volumes_commands_and_settings_that_exist() -> None:
    services: dict[str, Any] = COMPOSE["services"]
    for name, service in services.items():
        assert service.get("image") or service.get("build"), name
        for other in service.get("depends_on", []):
            assert other in services
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in COMPOSE["volumes"]
        if service.get("image") == "tapedeck:latest":
            _check_arguments(service["command"])
            assert set(service["environment"]) - SETTINGS == set()
            assert (ROOT / "deploy" / service["build"]["context"]).resolve() == ROOT
            assert (ROOT / service["build"]["dockerfile"]).exists()
    drain_s = int(services["workers"]["environment"]["DRAIN_S"])
    for name in ("workers", "browsers"):
        assert int(services[name]["stop_grace_period"].removesuffix("s")) > drain_s
    _probes((DEPLOY / "compose.yaml").read_text())
    # Published on loopback only: a reverse proxy with TLS stands before it.
    assert services["web"]["ports"] == ["127.0.0.1:8000:8000"]
    secrets = {"POSTGRES_PASSWORD", "STORAGE_PASSWORD", "SECRET_KEY", "ENCRYPTION_KEY"}
    required = set(re.findall(r"\$\{([A-Z_]+):\?", (DEPLOY / "compose.yaml").read_text()))
    assert secrets == required


def test_kubernetes_selectors_ports_probes_and_settings_fit_together() -> None:
    for each in KUBERNETES:
        assert {"apiVersion", "kind", "metadata"} <= set(each)
    deployments = {
        each["metadata"]["name"]: each for each in KUBERNETES if each["kind"] == "Deployment"
    }
    assert set(deployments) == {"tapedeck-web", "tapedeck-workers", "tapedeck-browsers"}
    [config] = [each for each in KUBERNETES if each["kind"] == "ConfigMap"]
    assert set(config["data"]) - SETTINGS == set()
    pods = [
        each["spec"]["template"] for each in KUBERNETES if each["kind"] in {"Deployment", "Job"}
    ]
    for pod in pods:
        [container] = pod["spec"]["containers"]
        _check_arguments(container["args"])
        assert container["resources"]["limits"]["memory"]
        volumes = {each["name"] for each in pod["spec"].get("volumes", [])}
        assert {each["name"] for each in container.get("volumeMounts", [])} == volumes
    for each in deployments.values():
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert each["spec"]["selector"]["matchLabels"].items() <= labels.items()
    [service] = [each for each in KUBERNETES if each["kind"] == "Service"]
    web = deployments["tapedeck-web"]["spec"]["template"]
    assert service["spec"]["selector"].items() <= web["metadata"]["labels"].items()
    ports = {each["name"] for each in web["spec"]["containers"][0]["ports"]}
    assert {each["targetPort"] for each in service["spec"]["ports"]} <= ports
    hosts = set(config["data"]["ALLOWED_HOSTS"].split(","))
    for probe in ("readinessProbe", "livenessProbe"):
        sent = web["spec"]["containers"][0][probe]["httpGet"]
        assert sent["port"] in ports
        headers = {each["name"]: each["value"] for each in sent["httpHeaders"]}
        assert headers["Host"] in hosts
    drain_s = int(config["data"]["DRAIN_S"])
    for name in ("tapedeck-workers", "tapedeck-browsers"):
        grace = deployments[name]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert grace > drain_s
    _probes((DEPLOY / "kubernetes/tapedeck.yaml").read_text())


def test_the_unit_drains_before_it_kills() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((DEPLOY / "systemd/tapedeck.service").read_text())
    service = unit["Service"]
    assert service["KillMode"] == "mixed"
    variables = dict(each.split("=") for each in service["Environment"].split())
    assert set(variables) - SETTINGS == set()
    assert int(service["TimeoutStopSec"]) > int(variables["DRAIN_S"])
    for command in ("ExecStart", "ExecStartPre"):
        _check_arguments(service[command].partition("manage.py ")[2].split())


def test_the_image_runs_a_command_that_exists_with_the_locked_dependencies() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    _check_arguments(json.loads(re.findall(r"^CMD (.*)$", text, re.M)[0]))
    assert "--require-hashes -r requirements.lock" in text
    assert re.search(r"^USER tapedeck$", text, re.M)
    [line] = re.findall(r"^ENV (.*)$", text, re.M)
    known = SETTINGS | {"PYTHONUNBUFFERED"}
    assert {each.split("=")[0] for each in line.split()} - known == set()


def test_no_registry_is_named_and_the_readme_lists_each_file() -> None:
    readme = (DEPLOY / "README.md").read_text()
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.name != "README.md":
            assert str(path.relative_to(DEPLOY)) in readme, path
            assert not re.search(r"\b(docker\.io|ghcr\.io|quay\.io|pypi)\b", path.read_text())
