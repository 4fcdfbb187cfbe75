"""What a run says of itself: counts, each field, each column, and how good the result is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from documents.extraction.grids import column_letters, text_of
from documents.extraction.mapping import Mapped
from documents.extraction.writers import columns_json

if TYPE_CHECKING:
    from documents.extraction.engine import DocumentResult, Run, TableResult

SUCCESS, PARTIAL, FAILURE, UNKNOWN = "success", "partial", "failure", "unknown"
EVALUATIONS = (SUCCESS, PARTIAL, FAILURE, UNKNOWN)
EXAMPLES = 3
MAX_COLUMNS = 2_000


def issue_summary(
    *, field: str, row: int, column: int | None, code: str, severity: str, message: str
) -> dict[str, Any]:
    return {
        "field": field,
        "row": row,
        "column": column_letters(column + 1) if column is not None else None,
        "code": code,
        "severity": severity,
        "message": message,
    }


def report_of(run: Run) -> dict[str, Any]:
    """The report. The same documents and version give the same report: it tells no time and no job."""
    tables = [table for document in run.documents for table in document.tables]
    evaluation, why = evaluate(run.documents)
    return {
        "format": 1,
        "configuration": {"name": run.definition.name, "version": run.version},
        "operation": "process" if run.mode.process else "validate",
        "dryRun": run.mode.dry_run,
        "execution": "finished",
        "evaluation": evaluation,
        "reasons": why,
        "counts": _counts(run.documents, tables),
        "fields": [
            {
                "name": field.name,
                "label": field.label,
                "type": field.type,
                "required": field.required,
                "mappedIn": sum(1 for table in tables if _mapped(table, field.name)),
                "tables": len(tables),
                "filled": sum(table.filled[field.name] for table in tables),
                "empty": sum(
                    table.rows - table.filled[field.name]
                    for table in tables
                    if _mapped(table, field.name)
                ),
                "issues": _by_code(tables, field.name),
            }
            for field in run.definition.output_fields
        ],
        "columns": columns_json(run.definition.output_fields),
        "documents": [_document(document) for document in run.documents],
    }


def evaluate(documents: list[DocumentResult]) -> tuple[str, list[str]]:
    """How good the result is, and why it is no better.

    success: every document gave rows, every required field was found in each table, no cell has an
    error. failure: no row has all required fields' columns. partial: in between. unknown: no document
    could be read, so nothing is known of what is in them.
    """
    why: list[str] = []
    for document in documents:
        if document.error:
            why.append(f"{document.name}: {document.message}")
        for table in document.tables:
            if table.unmapped_required:
                names = ", ".join(table.unmapped_required)
                why.append(f"{document.name}, table {table.number}: no column is {names}.")
            if not any(each.field for each in table.mapping):
                why.append(f"{document.name}, table {table.number}: no column was mapped.")
            elif table.rows_with_errors:
                why.append(
                    f"{document.name}, table {table.number}: {table.rows_with_errors:,} of "
                    f"{table.rows:,} rows have errors."
                )
    unread = [document for document in documents if document.error and document.error != "no_table"]
    if documents and len(unread) == len(documents) and not any(d.tables for d in documents):
        return UNKNOWN, why
    good = sum(
        table.rows
        for document in documents
        for table in document.tables
        if not table.unmapped_required and any(each.field for each in table.mapping)
    )
    if not good:
        return FAILURE, why or ["There are no rows."]
    return (PARTIAL, why) if why else (SUCCESS, [])


def _counts(documents: list[DocumentResult], tables: list[TableResult]) -> dict[str, Any]:
    skipped: Counter[str] = Counter()
    for table in tables:
        skipped.update(table.table.skipped_counts)
    severities: Counter[str] = Counter()
    for table in tables:
        for (_, _, severity), count in table.issues.items():
            severities[severity] += count
    reasons = Counter(each.reason for table in tables for each in table.mapping if each.reason)
    return {
        "documents": len(documents),
        "documentsFailed": sum(1 for document in documents if document.error),
        "tables": len(tables),
        "rows": sum(table.rows for table in tables),
        "rowsWithErrors": sum(table.rows_with_errors for table in tables),
        "rowsSkipped": dict(sorted(skipped.items())),
        "columns": sum(len(table.mapping) for table in tables),
        "columnsMapped": sum(1 for table in tables for each in table.mapping if each.field),
        "unmappedReasons": dict(sorted(reasons.items())),
        "issues": dict(sorted(severities.items())),
    }


def _mapped(table: TableResult, name: str) -> bool:
    return any(each.field == name for each in table.mapping)


def _by_code(tables: list[TableResult], name: str) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for table in tables:
        for (field, code, _), count in table.issues.items():
            if field == name:
                counted[code] += count
    return dict(sorted(counted.items()))


def _document(document: DocumentResult) -> dict[str, Any]:
    return {
        "key": document.key,
        "name": document.name,
        "sha256": document.sha256,
        "error": document.error,
        "message": document.message,
        "evaluation": evaluate([document])[0],
        "rows": sum(table.rows for table in document.tables),
        "warnings": document.warnings,
        "ignoredSheets": document.ignored_sheets,
        "outsideOfTables": [
            {"sheet": sheet, "row": skipped.row, "kind": skipped.kind, "text": skipped.text}
            for sheet, skipped in document.loose[:100]
        ],
        "tables": [table_json(table) for table in document.tables],
    }


def table_json(found: TableResult) -> dict[str, Any]:
    """One table in the report."""
    table = found.table
    return {
        "number": found.number,
        "sheet": table.sheet.name,
        "page": table.sheet.page,
        "title": table.title,
        "facts": table.sheet.facts,
        "headerRows": list(table.header_rows),
        "firstRow": table.first_row,
        "lastRow": table.last_row,
        "rows": found.rows,
        "keptRows": found.kept_rows,
        "rowsWithErrors": found.rows_with_errors,
        "hiddenColumns": table.hidden_columns[:100],
        "unmappedRequired": found.unmapped_required,
        "skipped": [
            {"row": skipped.row, "kind": skipped.kind, "text": skipped.text}
            for skipped in table.skipped
        ],
        "skippedCounts": dict(sorted(table.skipped_counts.items())),
        "mapping": [mapped_json(each) for each in found.mapping[:MAX_COLUMNS]],
        "columnsLeftOut": max(0, len(found.mapping) - MAX_COLUMNS),
        "issues": found.kept_issues,
        "issueCounts": [
            {"field": field, "code": code, "severity": severity, "count": count}
            for (field, code, severity), count in sorted(found.issues.items())
        ],
        "offsets": found.offsets,
        "boxes": {
            f"{row},{column}": [round(side, 2) for side in box]
            for (row, column), box in sorted(table.sheet.boxes.items())[:20_000]
        },
        "pageWidths": {str(page): width for page, width in sorted(table.sheet.page_widths.items())},
        "pages": {str(row): page for row, page in sorted(table.sheet.pages.items())[:20_000]},
    }


def mapped_json(mapped: Mapped) -> Mapping[str, Any]:
    column = mapped.column
    return {
        "column": column.letters,
        "number": column.number,
        "header": column.header,
        "headerParts": list(column.parts),
        "field": mapped.field,
        "score": round(mapped.score, 4),
        "unmappedReason": mapped.reason,
        "ties": list(mapped.ties),
        "candidates": [
            {
                "field": candidate.field,
                "score": round(candidate.score, 4),
                "header": candidate.header,
                "values": candidate.values,
            }
            for candidate in mapped.candidates
        ],
        "filled": column.filled,
        "examples": [text_of(value)[:80] for value in column.sample[:EXAMPLES]],
        "dateOrder": column.evidence.date_order,
        "dateOrderFrom": column.evidence.order_from[1] if column.evidence.order_from else "",
        "decimalSign": column.evidence.decimal_sign,
        "decimalSignFrom": column.evidence.sign_from[1] if column.evidence.sign_from else "",
    }
