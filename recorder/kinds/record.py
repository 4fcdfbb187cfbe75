"""Record a flow in a live browser, save its evidence, generate its test and verify it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from rest_framework import serializers

from jobs.models import Job
from jobs.registry import ActionRefused, KindAction, job_kind
from jobs.running import RunningJob
from recorder.devices import DEVICES

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Playwright's names of the permissions that Chromium can grant.
PERMISSIONS = (
    "accelerometer",
    "ambient-light-sensor",
    "background-sync",
    "camera",
    "clipboard-read",
    "clipboard-write",
    "geolocation",
    "gyroscope",
    "local-fonts",
    "magnetometer",
    "microphone",
    "midi",
    "notifications",
    "payment-handler",
    "storage-access",
)
LONGEST_S = 3 * 3600


class Viewport(serializers.Serializer[Any]):
    width = serializers.IntegerField(min_value=200, max_value=3840)
    height = serializers.IntegerField(min_value=200, max_value=2160)


class Geolocation(serializers.Serializer[Any]):
    latitude = serializers.FloatField(min_value=-90, max_value=90)
    longitude = serializers.FloatField(min_value=-180, max_value=180)
    accuracy = serializers.FloatField(min_value=0, default=0)


class Proxy(serializers.Serializer[Any]):
    server = serializers.CharField(max_length=300, help_text="http://host:port")
    username = serializers.CharField(max_length=200, required=False, allow_blank=True)
    password = serializers.CharField(max_length=200, required=False, allow_blank=True)
    bypass = serializers.CharField(max_length=1000, required=False, allow_blank=True)

    def validate_server(self, value: str) -> str:
        from jobs.proxy import Upstream

        try:
            Upstream.parse(server=value)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error
        return value


class Credentials(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=200)
    password = serializers.CharField(max_length=200, allow_blank=True, trim_whitespace=False)


class Options(serializers.Serializer[Any]):
    """How the browser is set up and what is kept. Every one of these has an effect."""

    browser = serializers.ChoiceField(
        choices=["chromium"],
        default="chromium",
        help_text="The live view needs Chromium; replays may use others.",
    )
    headed = serializers.BooleanField(
        default=False, help_text="Show the browser's window; needs a display on the worker."
    )
    device = serializers.ChoiceField(
        choices=DEVICES, allow_null=True, default=None, help_text="A phone or tablet to imitate."
    )
    viewport = Viewport(allow_null=True, default=None, help_text="CSS pixels; 1280 × 720 if unset.")
    locale = serializers.RegexField(
        r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        allow_null=True,
        default=None,
        max_length=40,
        help_text="Such as de-DE.",
        error_messages={"invalid": "Not a language tag such as de-DE."},
    )
    timezone = serializers.CharField(
        allow_null=True, default=None, max_length=60, help_text="Such as Europe/Berlin."
    )
    color_scheme = serializers.ChoiceField(
        choices=["light", "dark", "no-preference"], allow_null=True, default=None
    )
    geolocation = Geolocation(
        allow_null=True, default=None, help_text="Needs the permission geolocation as well."
    )
    permissions = serializers.ListField(
        child=serializers.ChoiceField(choices=PERMISSIONS), default=list, max_length=20
    )
    user_agent = serializers.CharField(allow_null=True, default=None, max_length=500)
    proxy = Proxy(
        allow_null=True,
        default=None,
        write_only=True,
        help_text="An HTTP proxy that the browser's traffic goes on to.",
    )
    ignore_https_errors = serializers.BooleanField(default=False)
    bypass_csp = serializers.BooleanField(
        default=False, help_text="Ignore the pages' Content-Security-Policy."
    )
    slow_mo = serializers.IntegerField(
        default=0, min_value=0, max_value=5000, help_text="Milliseconds to wait at each action."
    )
    http_credentials = Credentials(allow_null=True, default=None, write_only=True)
    extra_headers = serializers.DictField(
        child=serializers.CharField(max_length=4000),
        allow_null=True,
        default=None,
        write_only=True,
        help_text="Sent with every request.",
    )
    auth_state = serializers.UUIDField(
        allow_null=True,
        default=None,
        help_text="Id of an earlier recording of yours: start signed in as it ended.",
    )
    timeout_s = serializers.IntegerField(
        default=3600, min_value=30, max_value=LONGEST_S, help_text="Stop and save after this long."
    )
    idle_timeout_s = serializers.IntegerField(
        default=900,
        min_value=30,
        max_value=LONGEST_S,
        help_text="… or after this long without input.",
    )
    trace = serializers.BooleanField(default=True)
    har = serializers.BooleanField(default=True)
    video = serializers.BooleanField(default=True, help_text="Needs ffmpeg.")
    screenshots = serializers.BooleanField(default=True, help_text="One a step.")
    dom_snapshots = serializers.BooleanField(default=True, help_text="One a step.")
    console_log = serializers.BooleanField(default=True)
    storage_state = serializers.BooleanField(
        default=True, help_text="Cookies and storage at the end, to start others from."
    )
    verify = serializers.BooleanField(default=True, help_text="Replay the test when it is saved.")

    def validate_timezone(self, value: str | None) -> str | None:
        if value and value not in available_timezones():
            raise serializers.ValidationError("Not a time zone such as Europe/Berlin.")
        return value

    def validate_headed(self, value: bool) -> bool:
        if value and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise serializers.ValidationError("There is no display here to show a window on.")
        return value

    def validate_extra_headers(self, value: Mapping[str, str] | None) -> Mapping[str, str] | None:
        for name, content in (value or {}).items():
            if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
                raise serializers.ValidationError(f"{name!r} is no header's name.")
            if any(char in content for char in "\r\n\0"):
                raise serializers.ValidationError(f"{name}: a header is one line.")
        return value


def _salvage(job: Job, attempt: int) -> None:
    from recorder import recording

    recording.salvage(job=job, attempt=attempt)


def _page(job: Job) -> str:
    from recorder.models import RecordingSession

    session = RecordingSession.objects.filter(job=job).only("pk").first()
    return session.page_url if session is not None else ""


def _record_again(original: Job, child: Job) -> None:
    from recorder import services

    services.record_again(original=original, child=child)


def _stop(job: Job, payload: Mapping[str, Any], by: User) -> str:
    from recorder import services
    from recorder.models import RecordingSession

    try:
        services.request_stop(session=RecordingSession.objects.get(job=job), by=by)
    except services.SessionEnded as ended:
        raise ActionRefused(str(ended)) from ended
    return "The recording was asked to stop and save."


def _replay(job: Job, payload: Mapping[str, Any], by: User) -> str:
    from recorder import services
    from recorder.models import RecordingSession

    try:
        child = services.replay(session=RecordingSession.objects.get(job=job), by=by)
    except services.NothingToReplay as nothing:
        raise ActionRefused(str(nothing)) from nothing
    return f"Queued as job {child.id}."


@job_kind(
    "recorder.record",
    options=Options,
    label="Record a flow",
    queue="browser",
    isolated=True,
    imports=("recorder.recording",),
    max_attempts=1,  # what a recording did to the site can not be undone or repeated
    timeout_s=LONGEST_S + 1800,
    cancel_grace_s=45,
    salvage=_salvage,
    page=_page,
    page_label="Recording",
    reasons={"not_verified": "The recording was saved, but its replay does not pass."},
    keeps=True,
    submit_by="POST /api/recorder/sessions {url, flowName, options}.",
    submit_page="admin:recorder_recordingsession_add",
    on_rerun=_record_again,
    actions=(
        KindAction(
            name="stop",
            label="Stop and save",
            help="Ends the recording, saves its evidence, generates its test and replays it.",
            statuses=frozenset({"queued", "running"}),
            run=_stop,
        ),
        KindAction(
            name="replay",
            label="Replay",
            help="Queues a replay of the generated test, as a child of the recording.",
            run=_replay,
        ),
    ),
)
def run(job: RunningJob) -> Mapping[str, Any]:
    """Record a flow: open a live browser, keep what happens, generate a test and replay it."""
    from recorder import recording

    return recording.record(job=job)
