"""The closed list of kinds: what each accepts, its limits, and what it runs."""

import importlib
import logging
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rest_framework import serializers

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from jobs.models import Job
    from jobs.running import RunningJob

log = logging.getLogger(__name__)

Run = Callable[["RunningJob"], Mapping[str, Any] | None]
Salvage = Callable[["Job", int], None]
Page = Callable[["Job"], str]
OnRerun = Callable[["Job", "Job"], None]
Act = Callable[["Job", Mapping[str, Any], "User"], str]

ENDED = frozenset({"succeeded", "failed", "cancelled"})


class UnknownKind(Exception):
    """No file registers this kind."""


class InvalidOptions(Exception):
    """These options do not fit the kind; `errors` maps each field to its messages."""

    def __init__(self, errors: Mapping[str, Any]) -> None:
        super().__init__(str(dict(errors)))
        self.errors = errors


class ActionRefused(Exception):
    """The job's state does not allow this action."""


class NoPayload(serializers.Serializer[Any]):
    """An action that needs no more than its name."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """At most `starts` attempts may start within any `window_s` seconds."""

    starts: int
    window_s: int

    def __str__(self) -> str:
        return f"{self.starts} in {self.window_s} s"


@dataclass(frozen=True, kw_only=True)
class KindAction:
    """What people may do with a job of this kind, besides what they may do with any.

    `run(job, payload, by)` does it, within a transaction that holds the job's row, and says in a
    sentence what happened; it raises `ActionRefused` where the kind's own state does not allow it.
    `statuses` are those of the job in which it may be asked for.
    """

    name: str
    label: str
    run: Act
    payload: type[serializers.Serializer[Any]] = NoPayload
    statuses: frozenset[str] = ENDED
    help: str = ""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of job.

    `timeout_s` is the longest one attempt may run; `concurrency` the most attempts that run at
    once in the whole installation (None: no limit). An isolated kind's body runs in a child
    process group of its own, with at most `memory_mb` of address space where that is set. `imports`
    are modules that such a body needs: a worker loads them once, and its children find them there.
    After a cancel request a body has `cancel_grace_s` (None: `settings.CANCEL_GRACE_S`) to end
    by itself before it is ended.
    `salvage(job, attempt)` runs after the body died without a word, in the process that
    found out, before the terminal state is written: it may keep what the body left behind.
    `page(job)` is the URL of the kind's own page about a job, empty where that job has none; the
    job's page links to it with `page_label`.
    A kind that needs more than options to begin is not submitted directly: `submit_by` says, for
    people, how it is; `submit_page` names (for `reverse`) the page where. When one of its jobs is
    run again, `on_rerun(original, child)` makes what the child needs, in the same transaction.
    The retry, priority and limits here are defaults; operators change them (`jobs.policies`).
    A kind with `max_attempts=1` must not run twice, and nobody can change that.
    `retry_on` are the reasons that are worth another attempt (None: what the attempt itself says).
    """

    name: str
    options: type[serializers.Serializer[Any]]
    run: Run
    label: str
    queue: str = "default"
    timeout_s: int = 600
    max_attempts: int = 3
    backoff_s: float = 5
    backoff_cap_s: float = 3600
    backoff_jitter: float = 0.25
    retry_on: frozenset[str] | None = None
    priority: int = 0
    queue_timeout_s: int | None = None
    concurrency: int | None = None
    user_concurrency: int | None = None
    rate: Rate | None = None
    user_rate: Rate | None = None
    isolated: bool = False
    memory_mb: int | None = None
    imports: tuple[str, ...] = ()
    cancel_grace_s: float | None = None
    salvage: Salvage | None = None
    page: Page | None = None
    page_label: str = "Open"
    # What it made exists nowhere else: only a retention rule that names the kind deletes its jobs.
    keeps: bool = False
    submit_by: str = ""
    submit_page: str = ""
    on_rerun: OnRerun | None = None
    # When, as a cron expression, an installation does this by itself from the start (upkeep).
    upkeep: str = ""
    actions: tuple[KindAction, ...] = ()
    # The kind's own reason codes, each as a sentence.
    reasons: Mapping[str, str] = field(default_factory=dict)

    def load(self) -> None:
        """Import what the body needs."""
        for name in self.imports:
            try:
                importlib.import_module(name)
            except Exception:
                # Whatever a module raises: the body meets it as well, and there it is told of.
                log.warning("%s could not be imported before its job.", name, exc_info=True)

    def action(self, name: str) -> KindAction | None:
        return next((action for action in self.actions if action.name == name), None)

    def clean(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Validated options as JSON, write-only fields sealed; unknown names are refused.

        :raises InvalidOptions: `.errors` maps each field to its messages.
        """
        from jobs.options import clean_options

        return clean_options(self.options, raw)


_kinds: dict[str, Kind] = {}


def job_kind(
    name: str, *, options: type[serializers.Serializer[Any]], **limits: Any
) -> Callable[[Run], Run]:
    """Register the decorated function as what kind `name` (`app.verb`) runs."""

    def register(run: Run) -> Run:
        if name in _kinds:
            raise ValueError(f"Kind {name!r} is registered twice.")
        doc = (run.__doc__ or name).strip().splitlines()[0].rstrip(".")
        _kinds[name] = Kind(
            name=name, options=options, run=run, label=limits.pop("label", doc), **limits
        )
        return run

    return register


def get(name: str) -> Kind:
    """:raises UnknownKind: no file registers `name`."""
    try:
        return _kinds[name]
    except KeyError as error:
        raise UnknownKind(f"There is no kind {name!r}.") from error


def all_kinds() -> list[Kind]:
    return sorted(_kinds.values(), key=lambda kind: kind.name)


def import_kinds(app: str) -> None:
    """Import every module of `<app>/kinds/`; each registers itself."""
    package = importlib.import_module(f"{app}.kinds")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{app}.kinds.{module.name}")
