"""Comments on documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from documents.models import Document, DocumentComment
from documents.services.refusals import DocumentGone, InvalidFields
from jobs import access, audit
from jobs.events import storable_text

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_CHARS = 5_000
_PLACE = {"start": int, "end": int, "page": int, "sheet": str, "cell": str}


@audit.command("document.comment", target="document")
def comment(
    *, document: Document, body: str, by: User, place: Mapping[str, Any] | None = None
) -> DocumentComment:
    """Say something about a document that `by` may see, or about a place in it.

    :raises jobs.access.NotAllowed: `by` is no operator.
    :raises DocumentGone: it is deleted.
    :raises InvalidFields: no text, too much of it, or no place.
    """
    access.check_may_do(by=by)
    if not document.is_present() or document.current is None:
        raise DocumentGone(DocumentGone.__doc__)
    made = DocumentComment.objects.create(
        document=document,
        version=document.current,
        author=by,
        body=_text(body),
        place=_place(place or {}),
        created_at=timezone.now(),
    )
    audit.say(comment=str(made.pk))
    return made


@audit.command("document.edit_comment")
def edit_comment(*, comment: DocumentComment, body: str, by: User) -> DocumentComment:
    """Change the text of one's own comment.

    :raises jobs.access.NotAllowed: it is another's.
    :raises InvalidFields: no text, or too much of it.
    """
    if comment.author_id != by.pk:
        raise access.NotAllowed("Only who wrote a comment may change it.")
    comment.body = _text(body)
    comment.edited_at = timezone.now()
    comment.save(update_fields=["body", "edited_at"])
    return comment


@audit.command("document.delete_comment")
def delete_comment(*, comment: DocumentComment, by: User) -> DocumentComment:
    """Take back a comment: one's own, or any as an admin. That there was one stays on record.

    :raises jobs.access.NotAllowed: it is another's.
    """
    if comment.author_id != by.pk and not access.is_admin(by):
        raise access.NotAllowed("Only who wrote a comment, or an admin, may delete it.")
    comment.deleted_at = timezone.now()
    comment.body = ""
    comment.save(update_fields=["deleted_at", "body"])
    return comment


def _text(body: str) -> str:
    text = storable_text(body).strip()
    if not text or len(text) > MAX_CHARS:
        raise InvalidFields({"body": [f"A comment has 1 to {MAX_CHARS:,} characters."]})
    return text


def _place(place: Mapping[str, Any]) -> dict[str, Any]:
    wrong = [
        name
        for name, value in place.items()
        if name not in _PLACE
        or not isinstance(value, _PLACE[name])
        or isinstance(value, bool)
        or (isinstance(value, int) and value < 0)
        or (isinstance(value, str) and len(value) > 200)
    ]
    if wrong:
        raise InvalidFields(
            {"place": [f"Not a place: {', '.join(sorted(wrong))}. Known: {', '.join(_PLACE)}."]}
        )
    return dict(place)
