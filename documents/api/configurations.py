"""Configurations over REST: versions, activation, import, export, comparison, schema, plug-ins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import content_disposition_header
from rest_framework import serializers
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from documents.configurations import services
from documents.configurations.checking import MAX_CHARS, InvalidConfiguration, checked, schema
from documents.configurations.comparing import differences
from documents.extraction import plugins
from documents.extraction.rules import TRANSFORMS, VALIDATORS
from documents.models import Configuration, ConfigurationVersion, VersionState
from jobs.api.paging import NewestFirst
from jobs.api.problem import Problem
from jobs.events import time_dto

YAML = "application/yaml"


class ByName(NewestFirst):
    ordering = "name"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200


class YamlParser(BaseParser):
    """A configuration as it is written, instead of JSON around it."""

    media_type = YAML

    def parse(self, stream: Any, *args: Any, **kwargs: Any) -> dict[str, str]:
        data = stream.read(MAX_CHARS * 4 + 1)
        try:
            return {"text": data.decode()}
        except UnicodeDecodeError as error:
            raise Problem(
                status=400,
                code="invalid",
                detail="The text is not UTF-8.",
                errors={"text": ["Save it as UTF-8."]},
            ) from error


class Text(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=MAX_CHARS, trim_whitespace=False)
    note = serializers.CharField(max_length=300, required=False, allow_blank=True)
    expectedSha256 = serializers.CharField(required=False, max_length=64)


class CloneFields(serializers.Serializer[Any]):
    name = serializers.RegexField(r"^[a-z][a-z0-9-]{0,79}$")


class CompareFields(serializers.Serializer[Any]):
    # `from` is a word of Python's.
    def get_fields(self) -> dict[str, Any]:
        return {
            "from": serializers.IntegerField(min_value=1),
            "to": serializers.IntegerField(min_value=1),
        }


def version_dto(version: ConfigurationVersion, *, text: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {
        "configuration": version.configuration.name,
        "number": version.number,
        "state": version.state,
        "note": version.note,
        "sha256": version.sha256,
        "createdBy": version.created_by.get_username(),
        "createdAt": time_dto(version.created_at),
        "updatedAt": time_dto(version.updated_at),
        "activatedAt": time_dto(version.activated_at),
        "archivedAt": time_dto(version.archived_at),
        "url": f"/api/configurations/{version.configuration.name}/versions/{version.number}",
    }
    return {**found, "text": version.text} if text else found


def configuration_dto(configuration: Configuration) -> dict[str, Any]:
    versions = list(configuration.versions.all())
    active = next((v.number for v in versions if v.state == VersionState.ACTIVE), None)
    draft = next((v.number for v in versions if v.state == VersionState.DRAFT), None)
    return {
        "id": str(configuration.pk),
        "name": configuration.name,
        "title": configuration.title,
        "activeVersion": active,
        "draftVersion": draft,
        "versions": len(versions),
        "createdBy": configuration.created_by.get_username(),
        "createdAt": time_dto(configuration.created_at),
        "url": f"/api/configurations/{configuration.name}",
    }


def refused(verb: Callable[[], ConfigurationVersion]) -> ConfigurationVersion:
    """:raises Problem: what the verb refused, as a program reads it."""
    try:
        return verb()
    except InvalidConfiguration as error:
        raise Problem(
            status=422,
            code="invalid_configuration",
            detail="The configuration is not right.",
            errors=error.by_path(),
        ) from error
    except services.NameTaken as error:
        raise Problem(
            status=409, code="name_taken", detail=str(error), errors={"name": [str(error)]}
        ) from error
    except services.DraftChanged as error:
        raise Problem(status=409, code="draft_changed", detail=str(error)) from error
    except (services.WrongState, services.NotADraft) as error:
        raise Problem(status=409, code="wrong_state", detail=str(error)) from error


def configuration_of(name: str) -> Configuration:
    found = Configuration.objects.filter(name=name).select_related("created_by").first()
    if found is None:
        raise Problem(
            status=404, code="not_found", detail="There is no configuration of this name."
        )
    return found


def version_of(name: str, number: str) -> ConfigurationVersion:
    found = (
        configuration_of(name)
        .versions.select_related("configuration", "created_by")
        .filter(number=int(number) if number.isdigit() and len(number) < 9 else 0)
        .first()
    )
    if found is None:
        raise Problem(status=404, code="not_found", detail="It has no such version.")
    return found


def _by(request: Request) -> User:
    return cast(User, request.user)


class Texts(APIView):
    parser_classes = [JSONParser, YamlParser]


class ConfigurationsView(Texts):
    """GET the configurations; POST {text, note} (or YAML itself) makes one, as a draft."""

    def get(self, request: Request) -> Response:
        rows = Configuration.objects.select_related("created_by").prefetch_related("versions")
        pages = ByName()
        page = pages.paginate_queryset(rows, request, view=self) or []
        return pages.get_paginated_response([configuration_dto(row) for row in page])

    def post(self, request: Request) -> Response:
        given = Text(data=request.data)
        given.is_valid(raise_exception=True)
        values = given.validated_data
        made = refused(
            lambda: services.create(
                text=values["text"], by=_by(request), note=values.get("note", "")
            )
        )
        return _created(made)


def _created(version: ConfigurationVersion) -> Response:
    location = reverse(
        "api-configuration-version", args=[version.configuration.name, version.number]
    )
    return Response(version_dto(version, text=True), status=201, headers={"Location": location})


class ImportView(Texts):
    """POST YAML (or {text}) → a new configuration, or the next draft of the one of its name."""

    def post(self, request: Request) -> Response:
        given = Text(data=request.data)
        given.is_valid(raise_exception=True)
        text = given.validated_data["text"]
        return _created(refused(lambda: services.import_text(text=text, by=_by(request))))


class ConfigurationView(APIView):
    """GET → the configuration and its versions."""

    def get(self, request: Request, name: str) -> Response:
        found = configuration_of(name)
        versions = found.versions.select_related("configuration", "created_by")
        return Response(
            {**configuration_dto(found), "results": [version_dto(each) for each in versions]}
        )


class VersionsView(Texts):
    """GET the versions; POST {text, note, expectedSha256} saves the draft, or begins the next one."""

    def get(self, request: Request, name: str) -> Response:
        versions = configuration_of(name).versions.select_related("configuration", "created_by")
        return Response({"results": [version_dto(each) for each in versions]})

    def post(self, request: Request, name: str) -> Response:
        found = configuration_of(name)
        given = Text(data=request.data)
        given.is_valid(raise_exception=True)
        values = given.validated_data
        return _created(
            refused(
                lambda: services.save_draft(
                    configuration=found,
                    text=values["text"],
                    by=_by(request),
                    note=values.get("note"),
                    expected_sha256=values.get("expectedSha256"),
                )
            )
        )


class VersionView(APIView):
    """GET → a version with its text; DELETE throws a draft away."""

    def get(self, request: Request, name: str, number: str) -> Response:
        return Response(version_dto(version_of(name, number), text=True))

    def delete(self, request: Request, name: str, number: str) -> Response:
        version = version_of(name, number)

        def gone() -> ConfigurationVersion:
            services.delete_draft(version=version, by=_by(request))
            return version

        refused(gone)
        return Response(status=204)


class ExportView(APIView):
    """GET → the version's YAML, byte for byte as it was written."""

    def get(self, request: Request, name: str, number: str) -> HttpResponse:
        version = version_of(name, number)
        filename = f"{name}-v{version.number}.yaml"
        response = HttpResponse(version.text, content_type=f"{YAML}; charset=utf-8")
        response["Content-Disposition"] = content_disposition_header(True, filename) or ""
        response["X-Content-Type-Options"] = "nosniff"
        return response


class VersionVerbView(APIView):
    """POST → the version as it is then: activate, archive, draft (a new draft of its text), clone."""

    verb = ""

    def post(self, request: Request, name: str, number: str) -> Response:
        version, by = version_of(name, number), _by(request)
        if self.verb == "clone":
            given = CloneFields(data=request.data)
            given.is_valid(raise_exception=True)
            new = given.validated_data["name"]
            return _created(refused(lambda: services.clone(version=version, name=new, by=by)))
        if self.verb == "draft":
            return _created(refused(lambda: services.start_draft(version=version, by=by)))
        act = {"activate": services.activate, "archive": services.archive}[self.verb]
        return Response(version_dto(refused(lambda: act(version=version, by=by))))


def _body(version: ConfigurationVersion) -> dict[str, Any]:
    try:
        return checked(version.text)
    except InvalidConfiguration as error:
        raise Problem(
            status=409,
            code="invalid_configuration",
            detail=f"Version {version.number} does not fit this installation any more: {error}",
        ) from error


class CompareView(APIView):
    """GET ?from=1&to=2 → what is different, in words."""

    def get(self, request: Request, name: str) -> Response:
        given = CompareFields(data=request.query_params.dict())
        given.is_valid(raise_exception=True)
        one, two = (
            _body(version_of(name, str(given.validated_data[part]))) for part in ("from", "to")
        )
        found = differences(one, two)
        return Response(
            {
                "results": [
                    {
                        "path": each.path,
                        "change": each.change,
                        "before": each.before,
                        "after": each.after,
                    }
                    for each in found
                ]
            }
        )


class SchemaView(APIView):
    """GET → the JSON Schema that configurations are checked against."""

    def get(self, request: Request) -> Response:
        return Response(schema(), content_type="application/schema+json")


class PluginsView(APIView):
    """GET → the plug-ins of installed packages, and what is built in."""

    def get(self, request: Request) -> Response:
        return Response(
            {
                "plugins": [
                    {
                        "group": each.group,
                        "name": each.name,
                        "package": each.package,
                        "version": each.version,
                        "target": each.target,
                        "error": each.error,
                        "doc": each.doc,
                    }
                    for each in plugins.installed()
                ],
                "transforms": {name: rule.doc for name, rule in TRANSFORMS.items()},
                "validators": {name: rule.doc for name, rule in VALIDATORS.items()},
            }
        )
