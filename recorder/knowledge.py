"""A verified flow is found by searches: as a document, of which each step is a chunk."""

from __future__ import annotations

from collections.abc import Sequence

from ingestion import recordings
from recorder.models import RecordingSession
from recorder.steps import Step
from recorder.wording import wording


def keep(*, session: RecordingSession, steps: Sequence[Step]) -> None:
    """Make these verified steps what is found of the session; in its caller's transaction."""
    own = dict(session.steps.exclude(wording="").values_list("key", "wording"))
    # Steps that are not in the test did not prove anything.
    proven = [step for step in steps if not step.flags]
    recordings.keep(
        job=session.job,
        key=str(session.pk),
        title=session.flow_name,
        url=session.page_url,
        address=session.url,
        steps=[
            recordings.RecordedStep(
                key=step.key,
                text=own.get(step.key) or wording(step),
                element=_element(step),
                url=step.url,
            )
            for step in proven
        ],
    )


def forget(*, session: RecordingSession) -> None:
    """It does not replay (any more), or was changed since: it is not found until it is verified."""
    recordings.forget(job=session.job)


def _element(step: Step) -> str:
    """What the step was done to, in the page's own words."""
    said = [step.element.get("role", ""), step.element.get("name", "")]
    text = step.element.get("text", "")
    if text and text not in said:
        said.append(text)
    return ", ".join(each for each in said if each)[:500]
