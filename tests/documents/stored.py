"""Documents and configurations as tests need them: real rows, real bytes in storage."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import openpyxl
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from documents.configurations import services
from documents.models import ConfigurationVersion, Document, DocumentVersion
from tests.factories import DocumentFactory, DocumentVersionFactory

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

CONFIGURATION = """\
tapedeck: 1
name: invoices
title: Invoices
fields:
  - name: number
    label: Invoice number
    required: true
    synonyms: [invoice no, rechnungsnummer]
    validators: [unique]
  - name: day
    label: Invoice date
    type: date
  - name: amount
    label: Amount
    type: decimal
    required: true
    validators: [{min: 0}]
"""
CSV = (
    "Invoice no;Invoice date;Amount;Remark\n"
    "A-1;25.03.2024;10,50;=1+1\n"
    "A-2;26.03.2024;20,00;\n"
    "A-3;27.03.2024;-1,00;bad\n"
)


def stored(owner: User, name: str, data: bytes | str, media_type: str = "text/csv") -> Document:
    """A document with one version, whose bytes are in storage."""
    raw = data.encode() if isinstance(data, str) else data
    document: Document = DocumentFactory.create(owner=owner, name=name)
    kept = default_storage.save(f"documents/{document.pk}/original", ContentFile(raw))
    version: DocumentVersion = DocumentVersionFactory.create(
        document=document,
        number=1,
        media_type=media_type,
        size_bytes=len(raw),
        sha256=hashlib.sha256(raw).hexdigest(),
        storage_name=kept,
    )
    document.current = version
    document.save(update_fields=["current"])
    return document


def configured(owner: User, text: str = CONFIGURATION) -> ConfigurationVersion:
    """An active configuration."""
    return services.activate(version=services.create(text=text, by=owner), by=owner)


def workbook(sheets: dict[str, list[list[Any]]]) -> bytes:
    """A workbook with these sheets."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
