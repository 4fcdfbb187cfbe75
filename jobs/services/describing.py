"""What can be submitted and done here: the answer of `GET /api/config/job-options`."""

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.urls import NoReverseMatch, reverse
from rest_framework.fields import empty

from jobs import policies, registry
from jobs.casing import camel
from jobs.models import Preset
from jobs.option_schema import json_schema
from jobs.options import MAX_BYTES, default_of, masked_wire
from jobs.policies import Policy
from jobs.registry import Kind, KindAction, Rate
from jobs.services import bounds
from jobs.services.acting import ACTIONS, Action, actions_of
from jobs.services.submission import KEY_LIFE_S

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def kind_descriptions(*, by: "User") -> dict[str, Any]:
    """Kinds with option schemas, defaults, presets, limits and actions; queues; and what is bounded.

    Only what works is listed, so `implemented` is always true.
    """
    presets: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for preset in Preset.objects.order_by("kind", "name"):
        presets[preset.kind].append(
            {
                "name": preset.name,
                "description": preset.description,
                "options": masked_wire(preset.options),
            }
        )
    return {
        "kinds": [_kind(kind, presets[kind.name]) for kind in registry.all_kinds()],
        "queues": [
            {"name": name, "workers": workers} for name, workers in sorted(settings.QUEUES.items())
        ],
        "supportedActions": [_action(action) for action in ACTIONS],
        "limits": {
            "optionsBytes": MAX_BYTES,
            "nameChars": bounds.NAME_MAX,
            "tags": bounds.TAGS_MAX,
            "tagChars": bounds.TAG_MAX,
            "priority": {"min": -bounds.PRIORITY_MAX, "max": bounds.PRIORITY_MAX},
            "runAfterDays": bounds.RUN_AFTER_MAX.days,
            "idempotencyKeyChars": bounds.KEY_MAX,
            "idempotencyKeyLifeS": KEY_LIFE_S,
        },
        "uploads": {
            "requestBytes": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
            "fields": settings.DATA_UPLOAD_MAX_NUMBER_FIELDS,
            "files": settings.DATA_UPLOAD_MAX_NUMBER_FILES,
        },
    }


def _kind(kind: Kind, presets: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": kind.name,
        "label": kind.label,
        "description": (kind.run.__doc__ or "").strip().partition("\n")[0],
        "queue": kind.queue,
        "submittable": not kind.submit_by,
        "submitBy": kind.submit_by,
        "submitPage": submit_page(kind),
        "optionsSchema": json_schema(kind.options),
        "defaults": {
            camel(name): default_of(field)
            for name, field in kind.options().fields.items()
            if default_of(field) is not empty
        },
        "presets": presets,
        "limits": _limits(kind, policies.of(kind)),
        "supportedActions": [_action(action) for action in actions_of(kind)],
    }


def submit_page(kind: Kind) -> str:
    """Where in the console its jobs begin; empty: the form that every kind has."""
    if not kind.submit_page:
        return ""
    try:
        return reverse(kind.submit_page)
    except NoReverseMatch:
        return ""  # the console is not served here


def _limits(kind: Kind, policy: Policy) -> dict[str, Any]:
    return {
        "timeoutS": kind.timeout_s,
        "memoryMb": kind.memory_mb,
        "isolated": kind.isolated,
        "cancelGraceS": settings.CANCEL_GRACE_S
        if kind.cancel_grace_s is None
        else kind.cancel_grace_s,
        "priority": policy.priority,
        "queueTimeoutS": policy.queue_timeout_s,
        "concurrency": policy.concurrency,
        "userConcurrency": policy.user_concurrency,
        "rate": _rate(policy.rate),
        "userRate": _rate(policy.user_rate),
        "retry": {
            "maxAttempts": policy.max_attempts,
            "backoffS": policy.backoff_s,
            "backoffCapS": policy.backoff_cap_s,
            "backoffJitter": policy.backoff_jitter,
            "reasons": None if policy.retry_on is None else sorted(policy.retry_on),
        },
    }


def _rate(rate: Rate | None) -> dict[str, int] | None:
    return None if rate is None else {"starts": rate.starts, "windowS": rate.window_s}


def _action(action: Action | KindAction) -> dict[str, Any]:
    return {
        "type": action.name,
        "label": action.label,
        "help": action.help,
        "statuses": sorted(str(status) for status in action.statuses),
        "payloadSchema": json_schema(action.payload),
        "implemented": True,
    }
