"""What happens in a session, said to its job and to everyone who watches."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

from recorder.session.channel import Channel
from recorder.session.config import Config
from recorder.session.stepbook import Entry, Op
from recorder.session.typed_secrets import TypedSecrets
from recorder.session.viewers import Audience
from recorder.vault import secret_name

_NOT_POLICY = {"name_not_found", "cannot_connect", "no_answer", "proxy_unreachable"}
log = logging.getLogger(__name__)


class News:
    """`clean` takes secrets out of what is said; `warnings` keeps what was said of trouble."""

    def __init__(
        self,
        *,
        config: Config,
        channel: Channel,
        audience: Audience,
        vault: TypedSecrets,
        clean: Callable[[Any], Any],
    ) -> None:
        self._config = config
        self._channel = channel
        self._audience = audience
        self._vault = vault
        self._clean = clean
        self.warnings: list[dict[str, str]] = []

    def phase(self, phase: str) -> None:
        self._channel.send("phase", phase=phase)
        self._audience.say("phase", phase=phase)

    def notice(self, level: str, code: str, text: str) -> None:
        text = self._clean(text)
        if level != "info":
            self.warnings.append({"code": code, "text": text})
        self._channel.send("log", level=level, code=code, text=text)
        self._audience.say("notice", level=level, code=code, text=text)

    def warn(self, code: str, text: str) -> None:
        self.notice("warning", code, text)

    def forged(self, what: str) -> None:
        self.warn("forged", f"The page reported an action nobody made: {what}")

    def refused(self, url: str, code: str, message: str) -> None:
        """An address that the policy keeps out of reach was asked for."""
        if code in _NOT_POLICY:
            # Nothing was refused: nobody is there. The page itself shows that.
            log.debug("%s: %s", url, message)
            return
        url, message = self._clean(url), self._clean(message)
        self._channel.send("refused", url=url[:2_000], code=code, message=message)
        self._audience.say("notice", level="warning", code=code, text=f"{url[:300]}: {message}")

    def step(self, op: Op, entry: Entry) -> None:
        if any(secret_name(value) for value in entry.step.params.values()):
            # Now and not at the end: whoever salvages must know what to scrub.
            with contextlib.suppress(OSError):
                self._vault.write(self._config.workdir / "vault", key=self._config.vault_key)
        self._channel.send("step", op=op, **entry.as_json())
        self._audience.say(
            "step",
            op=op,
            step=entry.step.as_json(),
            position=entry.position,
            wording=entry.words,
            locator=entry.locator,
        )
