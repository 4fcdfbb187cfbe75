"""Verbs on documents that people and other apps use."""

from documents.services.bytes import BytesGone, local_copy, open_version
from documents.services.commenting import comment, delete_comment, edit_comment
from documents.services.reading import (
    forget_password,
    password_of,
    read_again,
    request_read,
    set_password,
    structure_of,
)
from documents.services.refusals import (
    ContentMismatch,
    DocumentGone,
    DocumentNotDeleted,
    EmptyFile,
    InvalidFields,
    TooLarge,
    UploadIncomplete,
    UploadOffset,
)
from documents.services.removing import delete, expire, purge, restore
from documents.services.storing import Added, add, add_version, duplicates_of, edit
from documents.services.uploading import append, begin, discard_upload, finish

__all__ = [
    "Added",
    "BytesGone",
    "ContentMismatch",
    "DocumentGone",
    "DocumentNotDeleted",
    "EmptyFile",
    "InvalidFields",
    "TooLarge",
    "UploadIncomplete",
    "UploadOffset",
    "add",
    "add_version",
    "append",
    "begin",
    "comment",
    "delete",
    "delete_comment",
    "discard_upload",
    "duplicates_of",
    "edit",
    "edit_comment",
    "expire",
    "finish",
    "forget_password",
    "local_copy",
    "open_version",
    "password_of",
    "purge",
    "read_again",
    "request_read",
    "restore",
    "set_password",
    "structure_of",
]
