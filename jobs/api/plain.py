"""Operations of routes that are no DRF views, for the description; by the route's name."""

from __future__ import annotations

from typing import Any

_AUTH: list[dict[str, list[str]]] = [{"jwtAuth": []}, {"cookieAuth": []}]


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": schema}},
    }


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "in": "query",
        "name": name,
        "description": description,
        "schema": {"type": "string", **schema},
    }


_CHECK = {
    "type": "object",
    "required": ["name", "status"],
    "properties": {
        "name": {"type": "string"},
        "status": {"type": "string"},
        "detail": {"type": "string", "description": "For operators, as all below."},
        "whatToDo": {"type": "string"},
        "data": {"type": "object"},
        "tookMs": {"type": "number"},
    },
}
_READINESS = {
    "type": "object",
    "required": ["ready", "checks"],
    "properties": {"ready": {"type": "boolean"}, "checks": {"type": "array", "items": _CHECK}},
}

PLAIN: dict[str, dict[str, Any]] = {
    "api-job-stream": {
        "get": {
            "operationId": "jobs_stream",
            "summary": "Follow the events of jobs",
            "description": (
                "Server-sent events: one job, several, or all that you may see. Each `data` is an "
                "Event with its `cursor`, each exactly once and in its job's order. A stream of "
                "named jobs ends when they have ended. `/ws/jobs/` sends the same over a websocket."
            ),
            "tags": ["jobs"],
            "security": _AUTH,
            "parameters": [
                {**_query("job", "One id, several with commas, or `*`."), "required": True},
                _query("after", "The cursor of the last event that you have."),
                _query("type", "Only events of these types, with commas."),
                {
                    "in": "header",
                    "name": "Last-Event-ID",
                    "description": "As `after`; wins over it. A browser sends it by itself.",
                    "schema": {"type": "string"},
                },
            ],
            "responses": {
                "200": {
                    "description": "The events; a comment every 15 s of silence.",
                    "content": {"text/event-stream": {"schema": {"type": "string"}}},
                },
                "204": {"description": "Every job has ended and was read to its end."},
                "400": _problem("Malformed, or a cursor that is ahead of every event."),
                "401": _problem("Nobody is logged in, or the token is not valid (any more)."),
                "403": _problem("Your account has no role."),
                "404": _problem("One of the jobs is not there (any more), or not yours."),
            },
        }
    },
    "api-health-live": {
        "get": {
            "operationId": "health_live",
            "summary": "Whether this process answers",
            "tags": ["health"],
            "security": [{}],
            "responses": {
                "200": {
                    "description": "It does.",
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["status"],
                                "properties": {"status": {"const": "ok"}},
                            }
                        }
                    },
                }
            },
        }
    },
    "api-health-ready": {
        "get": {
            "operationId": "health_ready",
            "summary": "Whether this installation can do its work",
            "tags": ["health"],
            "security": [{}, *_AUTH],
            "parameters": [_query("checks", "Only these checks, with commas.")],
            "responses": {
                "200": {
                    "description": "Ready. Details are for operators alone.",
                    "content": {"application/json": {"schema": _READINESS}},
                },
                "400": _problem("There is no such check."),
                "503": {
                    "description": "Not ready; `checks` says what fails.",
                    "content": {
                        "application/problem+json": {
                            "schema": {
                                "allOf": [{"$ref": "#/components/schemas/Problem"}, _READINESS]
                            }
                        }
                    },
                },
            },
        }
    },
}
