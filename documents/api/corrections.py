"""People's corrections of an extraction over REST, and promoting them to the next draft."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from documents import corrections
from documents.api.tables import finished_job, run_of, whole_number
from documents.configurations.checking import InvalidConfiguration
from documents.extracted_rows import RowsGone
from documents.models import Correction, ExtractionRun
from jobs.api.problem import Problem
from jobs.events import time_dto


class CorrectionFields(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["mapping", "cell"])
    table = serializers.IntegerField(min_value=1)
    column = serializers.RegexField(r"[A-Z]{1,3}", required=False)
    field = serializers.CharField(max_length=60, allow_blank=True)
    row = serializers.IntegerField(min_value=1, required=False)
    value = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=corrections.MAX_VALUE_CHARS,
        trim_whitespace=False,
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        needed = {"mapping": ["column"], "cell": ["row", "value"]}[attrs["kind"]]
        missing = {name: ["This correction needs it."] for name in needed if name not in attrs}
        if missing:
            raise serializers.ValidationError(missing)
        return attrs


def correction_dto(correction: Correction) -> dict[str, Any]:
    return {
        "id": correction.pk,
        "kind": correction.kind,
        "table": correction.table,
        "column": correction.column,
        "header": correction.header,
        "field": correction.field,
        "row": correction.row or None,
        "raw": correction.raw,
        "value": correction.value,
        "by": correction.by.get_username(),
        "at": time_dto(correction.at),
        "promotedTo": correction.promoted_to.number if correction.promoted_to else None,
    }


def _run(request: Request, job_id: str) -> ExtractionRun:
    run = run_of(finished_job(request, job_id))
    if run is None:
        raise Problem(status=404, code="no_tables", detail="This job left no tables.")
    return run


class CorrectionsView(APIView):
    """GET → people's corrections of a run; POST adds or replaces one."""

    def get(self, request: Request, job_id: str) -> Response:
        rows = _run(request, job_id).corrections.select_related("by", "promoted_to")
        return Response({"results": [correction_dto(row) for row in rows]})

    def post(self, request: Request, job_id: str) -> Response:
        run = _run(request, job_id)
        given = CorrectionFields(data=request.data)
        given.is_valid(raise_exception=True)
        values, by = given.validated_data, cast(User, request.user)
        try:
            if values["kind"] == "mapping":
                made = corrections.correct_mapping(
                    run=run,
                    table=values["table"],
                    column=values["column"],
                    field=values["field"],
                    by=by,
                )
            else:
                made = corrections.correct_cell(
                    run=run,
                    table=values["table"],
                    row=values["row"],
                    field=values["field"],
                    value=values["value"],
                    by=by,
                )
        except corrections.NoSuchPlace as error:
            raise Problem(status=422, code="no_such_place", detail=str(error)) from error
        except RowsGone as gone:
            raise Problem(status=410, code="rows_gone", detail=str(gone)) from gone
        return Response(correction_dto(made), status=201)


class CorrectionView(APIView):
    """DELETE takes a correction back."""

    def delete(self, request: Request, job_id: str, correction_id: str) -> Response:
        run = _run(request, job_id)
        found = run.corrections.filter(pk=whole_number(correction_id)).first()
        if found is None:
            raise Problem(status=404, code="not_found", detail="There is no such correction.")
        corrections.withdraw(correction=found, by=cast(User, request.user))
        return Response(status=204)


class PromoteView(APIView):
    """POST → the draft that the corrections went into, and which of them no configuration can hold."""

    def post(self, request: Request, job_id: str) -> Response:
        run = _run(request, job_id)
        try:
            done = corrections.promote(run=run, by=cast(User, request.user))
        except corrections.NothingToPromote as error:
            raise Problem(status=409, code="nothing_to_promote", detail=str(error)) from error
        except InvalidConfiguration as error:
            raise Problem(
                status=422,
                code="invalid_configuration",
                detail="With these corrections the configuration would not be right.",
                errors=error.by_path(),
            ) from error
        name = run.version.configuration.name
        return Response(
            {
                "configuration": name,
                "version": done.version.number,
                "promoted": [correction_dto(each) for each in done.promoted],
                "leftOut": [
                    {"correction": correction_dto(each), "why": why} for each, why in done.left_out
                ],
            },
            status=201,
        )
