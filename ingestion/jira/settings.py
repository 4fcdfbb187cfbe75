"""What a Jira source is told: where, as whom, which issues, and what of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from jobs.egress import EgressRefused, split_url

STANDARD_FIELDS = [
    "issuetype", "status", "priority", "resolution", "labels", "components", "versions",
    "fixVersions", "assignee", "reporter", "parent", "issuelinks", "subtasks", "environment",
    "created", "duedate", "*text",
]  # fmt: skip
MAX_FIELDS = 100


class JiraSettings(serializers.Serializer[Any]):
    base_url = serializers.CharField(
        label="Base URL",
        max_length=500,
        help_text="What comes before /browse/ in an issue's address, such as https://example.atlassian.net",
    )
    deployment = serializers.ChoiceField(
        choices=[
            ("auto", "Find out"),
            ("cloud", "Cloud"),
            ("server", "Server or Data Center"),
        ],
        default="auto",
        help_text="Which of Jira's two APIs is spoken; it says itself which one it has.",
    )
    email = serializers.CharField(
        label="E-mail",
        default="", allow_blank=True, max_length=320,
        help_text="Jira Cloud: the e-mail of the account whose API token is used.",
    )  # fmt: skip
    token = serializers.CharField(
        label="API token",
        default="", allow_blank=True, max_length=2000, write_only=True,
        help_text="Jira Cloud: an API token of that account. Stored encrypted and never shown.",
    )  # fmt: skip
    pat = serializers.CharField(
        label="Personal access token",
        default="", allow_blank=True, max_length=2000, write_only=True,
        help_text="Server, Data Center: a personal access token. Stored encrypted and never shown.",
    )  # fmt: skip
    jql = serializers.CharField(
        label="JQL",
        default="", allow_blank=True, max_length=20_000,
        help_text="Which issues, in Jira's query language; empty: all that the account may see.",
    )  # fmt: skip
    fields = serializers.ListField(  # type: ignore[assignment]
        child=serializers.CharField(max_length=255),
        default=list(STANDARD_FIELDS),
        max_length=MAX_FIELDS,
        help_text="What is told of an issue besides summary and description: fields by name "
        "(Story Points) or id (customfield_10016); *text: all custom fields for longer texts.",
    )
    comments = serializers.BooleanField(default=True, help_text="Take comments too.")
    restricted_comments = serializers.BooleanField(
        label="Restricted comments",
        default=False,
        help_text="Take comments too that only a role, a group or the agents may see. Whoever may "
        "search this source will find them.",
    )
    attachments = serializers.BooleanField(
        default=True, help_text="Download attachments and read what is in them."
    )
    attachment_max_mb = serializers.IntegerField(
        label="Largest attachment (MB)",
        default=25, min_value=1, max_value=500,
        help_text="Attachments larger than this (in MB of 1,000,000 bytes) are not downloaded.",
    )  # fmt: skip
    ocr = serializers.BooleanField(
        label="OCR",
        default=False,
        help_text="Read text in pictures and scanned pages that are attached; takes seconds each.",
    )
    ocr_languages = serializers.RegexField(
        r"^[a-zA-Z0-9_]{2,20}(\+[a-zA-Z0-9_]{2,20}){0,4}$",
        label="OCR languages",
        default="eng",
        help_text="Tesseract's names of the languages, joined by +.",
    )
    max_issues = serializers.IntegerField(
        label="Issues at most",
        default=10_000, min_value=1, max_value=1_000_000,
        help_text="At most this many issues, the first in the order of the JQL.",
    )  # fmt: skip
    overlap_minutes = serializers.IntegerField(
        label="Overlap (minutes)",
        default=10, min_value=0, max_value=7 * 24 * 60,
        help_text="How far before the last sync an incremental one begins: Jira's own search index "
        "lags behind its issues.",
    )  # fmt: skip

    def validate_base_url(self, value: str) -> str:
        url = value.strip().rstrip("/")
        try:
            scheme, _, _ = split_url(url)
        except EgressRefused as error:
            raise serializers.ValidationError(error.message) from error
        if scheme not in ("http", "https"):
            raise serializers.ValidationError("Must begin with https:// or http://.")
        if "?" in url or "#" in url or "/browse/" in url or "/rest/api" in url:
            raise serializers.ValidationError(
                "Only what comes before /browse/ in an issue's address, without ? and #."
            )
        return url

    def validate(self, attrs: Mapping[str, Any]) -> Mapping[str, Any]:
        token, email, pat = (attrs.get(name) or "" for name in ("token", "email", "pat"))
        if pat and (token or email):
            raise serializers.ValidationError(
                {"pat": "Either e-mail and API token, or a personal access token, not both."}
            )
        if token and not email:
            raise serializers.ValidationError(
                {"email": "An API token goes with the e-mail of its account."}
            )
        if email and not token:
            raise serializers.ValidationError(
                {"token": "Give the account's API token, or leave the e-mail empty too."}
            )
        for name, value in (("token", token), ("pat", pat), ("email", email)):
            if not value.isprintable() or (name != "email" and not value.isascii()):
                raise serializers.ValidationError(
                    {name: "Has characters in it that no such value has; copy it anew."}
                )
        if not attrs.get("comments", True) and attrs.get("restricted_comments"):
            raise serializers.ValidationError(
                {"restricted_comments": "Comments are left out altogether; take comments first."}
            )
        return attrs
