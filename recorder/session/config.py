"""What the job tells a session process on its first line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Playwright


class BadConfig(Exception):
    """The configuration of this session does not fit."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """`key` signs tickets, `vault_key` encrypts the secrets' file. Options are snake_case."""

    session: str
    url: str
    workdir: Path
    key: str
    vault_key: str
    options: Mapping[str, Any] = field(default_factory=dict)
    scratch: Path = Path()
    storage_state: str = ""
    timeout_s: float = 3_600
    idle_timeout_s: float = 900

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Config:
        """:raises BadConfig: a field is missing."""
        try:
            options = dict(raw["options"])
            return cls(
                session=str(raw["session"]),
                url=str(raw["url"]),
                workdir=Path(raw["workdir"]),
                key=str(raw["key"]),
                vault_key=str(raw["vaultKey"]),
                options=options,
                scratch=Path(raw.get("scratch") or Path(raw["workdir"]) / "scratch"),
                storage_state=str(raw.get("storageState") or ""),
                timeout_s=float(options.get("timeout_s") or 3_600),
                idle_timeout_s=float(options.get("idle_timeout_s") or 900),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadConfig(f"{BadConfig.__doc__} {error!r}") from error

    def wants(self, evidence: str) -> bool:
        return bool(self.options.get(evidence, True))


def context_options(config: Config, playwright: Playwright) -> dict[str, Any]:
    """The arguments of `browser.new_context`, from this session's options.

    :raises BadConfig: the device is not one that Playwright knows.
    """
    options, context = config.options, {}
    if options.get("device"):
        try:
            context.update(playwright.devices[options["device"]])
        except KeyError as error:
            raise BadConfig(f"There is no device {options['device']!r}.") from error
        context.pop("default_browser_type", None)
        if options.get("browser") == "firefox":
            context.pop("is_mobile", None)
    # A device brings its own screen; a viewport that was asked for wins.
    viewport = options.get("viewport")
    if viewport or "viewport" not in context:
        context["viewport"] = dict(viewport or {"width": 1280, "height": 720})
        context.pop("screen", None)
    for ours, theirs in (
        ("locale", "locale"),
        ("timezone", "timezone_id"),
        ("color_scheme", "color_scheme"),
        ("user_agent", "user_agent"),
        ("geolocation", "geolocation"),
        ("permissions", "permissions"),
        ("http_credentials", "http_credentials"),
        ("extra_headers", "extra_http_headers"),
    ):
        if options.get(ours):
            context[theirs] = options[ours]
    context["ignore_https_errors"] = bool(options.get("ignore_https_errors"))
    context["bypass_csp"] = bool(options.get("bypass_csp"))
    if config.storage_state:
        context["storage_state"] = config.storage_state
    if config.wants("har"):
        context["record_har_path"] = str(config.workdir / "network.har")
        context["record_har_content"] = "embed"
    if config.wants("video"):
        context["record_video_dir"] = str(config.workdir / "video")
        context["record_video_size"] = context["viewport"]
    return context
