"""Documents of the store: those that were chosen, those with some tags, or all that one may see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.urls import reverse
from rest_framework import serializers

from documents import readers
from documents import services as stored
from documents.models import Document, DocumentQuerySet, ReadState
from documents.search import with_tags
from documents.structure import Structure, Warning
from ingestion.connectors import Problem, Report, connector
from ingestion.content import Failed, Found, Gone, Seen, SyncRun, Unchanged
from ingestion.models import DocumentKind, SourceKind
from jobs.egress import Policy
from jobs.secrets import SecretUnreadable

SCOPES = {
    "all": "All documents that I may see",
    "tagged": "Those with all of these tags",
    "chosen": "Those that were added one by one",
}


class Settings(serializers.Serializer[Any]):
    """Which documents of the store belong to the source."""

    scope = serializers.ChoiceField(
        choices=list(SCOPES.items()),
        default="all",
        label="Which documents",
        help_text="Documents are added one by one by POST /api/ingest/documents.",
    )
    tags = serializers.ListField(
        child=serializers.CharField(max_length=60),
        default=list,
        max_length=30,
        help_text="With scope tagged: a document must have all of them. One a line.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("scope") == "tagged" and not attrs.get("tags"):
            raise serializers.ValidationError({"tags": ["Name at least one tag."]})
        if attrs.get("scope") != "tagged" and attrs.get("tags"):
            raise serializers.ValidationError(
                {"tags": ["Tags have an effect with scope tagged only."]}
            )
        return attrs


@connector(SourceKind.DOCUMENTS)
class Documents:
    """The store's documents, by the structure that their reading made."""

    settings = Settings
    identity = ("scope", "tags")

    def name_for(self, settings: Mapping[str, Any]) -> str:
        if settings["scope"] == "tagged":
            return f"Documents tagged {', '.join(settings['tags'])}"
        return "All documents" if settings["scope"] == "all" else "Chosen documents"

    def test(self, *, settings: Mapping[str, Any], policy: Policy, owner_id: int) -> Report:
        if settings["scope"] == "chosen":
            return Report(summary="Documents are added one by one; there is nothing to reach.")
        rows = Document.objects.present()
        if settings["scope"] == "tagged":
            rows = with_tags(rows, settings["tags"])
        number = rows.count()
        if not number:
            return Report(
                summary="No document fits.",
                problems=(
                    Problem(
                        code="none_found",
                        message="No document of the store has these tags. Upload some, or tag them."
                        if settings["tags"]
                        else "The store holds no document. Upload some first.",
                        field="tags" if settings["tags"] else "scope",
                    ),
                ),
            )
        return Report(
            summary="The store can be read.",
            facts={"Documents that fit": f"{number:,}"},
            notes=("Of these, the source takes those that its owner may see.",),
        )

    def sync(self, *, run: SyncRun) -> Iterator[Seen]:
        owner = User.objects.get(pk=run.owner_id)
        for key in sorted(wanted(run, owner)):
            run.check_cancelled()
            yield seen_of(
                key=key,
                owner=owner,
                workdir=run.workdir,
                known=(known.fetched_with if (known := run.known(key)) else None),
            )
        run.complete = True


def wanted(run: SyncRun, owner: User) -> set[str]:
    """The keys that this sync is about."""
    if run.only is not None:
        return set(run.only)
    if run.settings["scope"] == "chosen":
        return set(run.known_keys())
    # What it has and does not take any more (a tag went) is not seen, and so pruned.
    return {str(pk) for pk in matching(run.settings, owner).values_list("pk", flat=True)}


def matching(settings: Mapping[str, Any], owner: User) -> DocumentQuerySet:
    """The documents that a source with these settings takes by itself."""
    rows = Document.objects.visible_to(owner).present()
    if settings["scope"] == "chosen":
        return rows.none()
    return with_tags(rows, settings["tags"]) if settings["scope"] == "tagged" else rows


def belongs(*, document: Document, settings: Mapping[str, Any], owner: User) -> bool:
    """Whether a source with these settings takes `document` by itself; one of chosen ones none."""
    return matching(settings, owner).filter(pk=document.pk).exists()


def seen_of(
    *, key: str, owner: User, workdir: Path, known: Mapping[str, Any] | None = None
) -> Seen:
    """What is to be reported of one document, read where nobody has yet.

    `known` is what was noted of it last time.
    """
    document = (
        Document.objects.visible_to(owner).select_related("current").filter(pk=UUID(key)).first()
    )
    if document is None or not document.is_present() or document.current is None:
        return Gone(key=key)
    version = document.current
    noted = {
        "version": version.number,
        "read": version.read_state,
        "readAt": version.read_at.isoformat() if version.read_at else "",
        "updatedAt": document.updated_at.isoformat(),
    }
    if known is not None and known == noted:
        return Unchanged(key=key)

    def failed(code: str, message: str, *, retryable: bool) -> Failed:
        return Failed(
            key=key,
            code=code,
            message=message,
            retryable=retryable,
            url=url,
            title=document.name,
            kind=DocumentKind.DOCUMENT,
        )

    url = reverse("admin:documents_document_change", args=[document.pk])
    if version.read_state in {ReadState.FAILED, ReadState.NEEDS_PASSWORD, ReadState.UNSUPPORTED}:
        return failed(
            version.read_code or str(version.read_state),
            version.read_message or ReadState(version.read_state).label,
            retryable=version.read_state != ReadState.UNSUPPORTED,
        )
    try:
        structure = stored.structure_of(version) or _read(document, workdir)
    except (stored.BytesGone, FileNotFoundError) as error:
        return failed("bytes_gone", str(error) or "Its file is gone.", retryable=False)
    except readers.PasswordNeeded as error:
        return failed(error.code, error.message, retryable=True)
    except readers.Unreadable as error:
        return failed(error.code, error.message, retryable=False)
    except SecretUnreadable as error:
        return failed("password_unreadable", str(error), retryable=True)
    return Found(
        key=key,
        kind=DocumentKind.DOCUMENT,
        title=document.name,
        url=url,
        structure=_with_reason(structure, version.read_message),
        labels=tuple(document.tags),
        changed_at=version.created_at,
        fetched_with=noted,
        stored_id=document.pk,
        still_true=lambda: (
            Document.objects.present().filter(pk=document.pk, current_id=version.pk).exists()
        ),
    )


def _read(document: Document, workdir: Path) -> Structure:
    """Read it here and now: its own reading waits, or is at work elsewhere."""
    version = document.current
    assert version is not None  # the caller looked
    path = stored.local_copy(version, folder=workdir)
    try:
        return readers.read(
            readers.Source(
                path=path,
                name=version.name,
                media_type=version.media_type,
                password=stored.password_of(document),
            )
        )
    finally:
        path.unlink(missing_ok=True)


def _with_reason(structure: Structure, message: str) -> Structure:
    """A structure without text, with the reason that its reading gave as the first warning."""
    if structure.has_text or not message:
        return structure
    why = message.removeprefix("No text was found. ")
    return replace(structure, warnings=(Warning(code="no_text", message=why), *structure.warnings))
