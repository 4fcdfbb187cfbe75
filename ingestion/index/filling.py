"""Giving chunks their vectors, and moving from one model to another.

Searches use the vectors of the one active model. When the settings name another, its vectors are
made beside (`building`) while searches go on with the old ones; once every chunk has one it becomes
active, in one transaction, and the old vectors are removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from ingestion import embedding
from ingestion.chunking import embedded_text
from ingestion.embedding import Embedder, EmbeddingFailed
from ingestion.index import mark, postings, vectors
from ingestion.models import EmbeddingModel
from jobs import access, services
from jobs.models import Job, Status

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from jobs.running import RunningJob

State = EmbeddingModel.State
KIND = "ingestion.embed"
BATCH = 32
Check = Callable[[], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Filled:
    """`embedded` chunks got a vector; `model` is what searches use now; `why` there is none (or
    why nothing was embedded). `behind`: the settings name another model than searches use.
    """

    embedded: int = 0
    model: EmbeddingModel | None = None
    why: str = ""
    behind: bool = False


def active() -> EmbeddingModel | None:
    return EmbeddingModel.objects.filter(state=State.ACTIVE).first()


def behind() -> bool:
    """Whether the settings name another model than the one whose vectors are searched."""
    now = active()
    wanted = embedding.active()
    return now is not None and wanted is not None and not _is(now, wanted)


def catch_up(
    *,
    check: Check = lambda: None,
    on_wait: Callable[[float, str], None] = lambda _left, _why: None,
    progress: Progress = lambda _done, _total: None,
) -> Filled:
    """Give every chunk without one a vector of the active model; what a sync does as it goes.

    The first model that is there becomes the active one. `check` and `on_wait` may raise to end it.

    :raises EmbeddingFailed: the model failed; what was embedded before stays.
    """
    postings.settle()
    now = active()
    wanted = embedding.patient(on_wait)
    if now is None:
        if wanted.embedder is None:
            return Filled(why=wanted.why)
        now = _first(wanted.embedder)
    embedder = wanted.embedder
    if embedder is None or not _is(now, embedder):
        # The old model goes on until the new one has all: what it finds must be complete.
        embedder = embedding.named(now.name, now.revision, now.dimension)
    if embedder is None:
        return Filled(
            model=now, why=wanted.why or f"{now.name} can not be asked any more.", behind=True
        )
    done = fill(now, embedder, check=check, progress=progress)
    vectors.ready(now)
    mark.prune()
    return Filled(embedded=done, model=now, behind=behind())


def rebuild(
    *,
    check: Check = lambda: None,
    on_wait: Callable[[float, str], None] = lambda _left, _why: None,
    progress: Progress = lambda _done, _total: None,
) -> Filled:
    """Make vectors of the model that the settings name for all chunks, and search by them then.

    :raises EmbeddingFailed: there is no model (`no_model`), or it failed; searches go on as before.
    """
    postings.settle()
    wanted = embedding.patient(on_wait)
    if wanted.embedder is None:
        raise EmbeddingFailed("no_model", wanted.why)
    model = _row(wanted.embedder)
    done = 0
    # What syncs add meanwhile is embedded in a further round, until a round finds nothing.
    while True:
        count = fill(model, wanted.embedder, check=check, progress=progress)
        done += count
        vectors.ready(model)
        if _activate(model):
            break
    mark.prune()
    return Filled(embedded=done, model=model)


def waiting() -> Job | None:
    """The job that embeds everything, where one is queued or at work."""
    return Job.objects.filter(kind=KIND, status__in=[Status.QUEUED, Status.RUNNING]).first()


def ask_for(*, by: User) -> Job | None:
    """Queue the job that embeds what has no vector, for what no sync brings.

    None: there is no model, one is queued already, or `by` may not run jobs.
    """
    if embedding.active() is None or not access.may_do(by):
        return None
    if Job.objects.filter(kind=KIND, status=Status.QUEUED).exists():
        return None
    return services.submit(kind=KIND, options={}, by=by)


def embed_new(*, job: RunningJob) -> dict[str, Any]:
    """Give what a job brought its vectors, as part of the job; what to add to its result.

    A model that fails fails no sync: what was brought is found by its words, the result and the
    search page say why not by its meaning, and the next sync tries again.
    """

    def wait(left: float, why: str) -> None:
        job.check_cancelled()

    began = time.monotonic()
    try:
        filled = catch_up(check=job.check_cancelled, on_wait=wait)
    except EmbeddingFailed as error:
        job.log(f"Not embedded: {error.message}")
        return {"embedded": 0, "notEmbedded": error.message}
    finally:
        job.metric("embedding_s", round(time.monotonic() - began, 2))
    job.metric("embedded", filled.embedded)
    why = {"notEmbedded": filled.why} if filled.why else {}
    return {"embedded": filled.embedded, **why}


def fill(
    model: EmbeddingModel,
    embedder: Embedder,
    *,
    check: Check = lambda: None,
    progress: Progress = lambda _done, _total: None,
) -> int:
    """Embed every chunk that has no vector of the model; how many got one."""
    done, after = 0, 0
    while rows := vectors.missing(model, after=after, n=BATCH):
        check()
        made = embedder.embed([embedded_text(path, text) for _, path, text in rows])
        if made.shape[1] != model.dimension:
            raise EmbeddingFailed(
                "dimension_wrong",
                f"{embedder.name} makes vectors of {made.shape[1]} numbers now, not "
                f"{model.dimension}: vectors of different models are never mixed.",
            )
        with transaction.atomic():
            done += vectors.write(model, [row[0] for row in rows], made)
        after = rows[-1][0]
        progress(done, done)
    return done


def _first(embedder: Embedder) -> EmbeddingModel:
    model = _row(embedder)
    with transaction.atomic():
        if not EmbeddingModel.objects.filter(state=State.ACTIVE).exists():
            EmbeddingModel.objects.filter(pk=model.pk).update(state=State.ACTIVE)
            model.state = State.ACTIVE
    return active() or model


def _row(embedder: Embedder) -> EmbeddingModel:
    if not embedder.dimension:
        embedder.embed(["dimension"])  # An endpoint says it with its first answer.
    model, _ = EmbeddingModel.objects.get_or_create(
        name=embedder.name,
        revision=embedder.revision,
        dimension=embedder.dimension,
        defaults={"state": State.BUILDING, "created_at": timezone.now()},
    )
    if model.state == State.RETIRED:
        model.state = State.BUILDING
        model.save(update_fields=["state"])
    return model


@transaction.atomic
def _activate(model: EmbeddingModel) -> bool:
    """Search by this model from now on; False: a chunk came that has no vector of it."""
    if vectors.missing(model, after=0, n=1):
        return False
    others = EmbeddingModel.objects.exclude(pk=model.pk)
    old = list(others.exclude(state=State.RETIRED))
    others.update(state=State.RETIRED)
    EmbeddingModel.objects.filter(pk=model.pk).update(state=State.ACTIVE)
    model.state = State.ACTIVE
    for each in old:
        vectors.drop(each)
    return True


def _is(model: EmbeddingModel, embedder: Embedder) -> bool:
    same = (model.name, model.revision) == (embedder.name, embedder.revision)
    return same and embedder.dimension in (0, model.dimension)
