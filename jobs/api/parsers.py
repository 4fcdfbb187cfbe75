"""Reading a request's body, no more of it than a request may have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from jobs.api.problem import Problem


class BoundedJSON(JSONParser):
    """JSON of at most `DATA_UPLOAD_MAX_MEMORY_SIZE` bytes, in UTF-8.

    :raises Problem: 413 too large. :raises ParseError: no JSON, or nested beyond reason.
    """

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(most + 1)
        if len(body) > most:
            raise Problem(
                status=413, code="body_too_large", detail=f"A request has at most {most:,} bytes."
            )
        try:
            return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}") from error


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON.")
