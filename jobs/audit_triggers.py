"""What makes the audit trail append-only: triggers, on either database.

An entry is never changed. It is removed only when it is older than the `before` of an entry
`audit.pruned`: whoever shortens the trail leaves that on record (`manage.py pruneaudit`).
"""

from __future__ import annotations

from typing import Any

TABLE = "jobs_auditentry"
PRUNED = "audit.pruned"
_CHANGED = "An audit entry can not be changed."
_REMOVED = "An audit entry can not be removed before its retention is over."

_SQLITE = [
    f"""CREATE TRIGGER audit_no_update BEFORE UPDATE ON {TABLE}
    BEGIN SELECT RAISE(ABORT, '{_CHANGED}'); END""",
    f"""CREATE TRIGGER audit_no_delete BEFORE DELETE ON {TABLE}
    WHEN NOT EXISTS (
        SELECT 1 FROM {TABLE} pruned WHERE pruned.action = '{PRUNED}'
        AND julianday(json_extract(pruned.data, '$.before')) > julianday(OLD.at)
    )
    BEGIN SELECT RAISE(ABORT, '{_REMOVED}'); END""",
]
_POSTGRES = [
    f"""CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            RAISE EXCEPTION '{_CHANGED}' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF TG_OP = 'DELETE' AND EXISTS (
            SELECT 1 FROM {TABLE} pruned WHERE pruned.action = '{PRUNED}'
            AND (pruned.data->>'before')::timestamptz > OLD.at
        ) THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION '{_REMOVED}' USING ERRCODE = 'integrity_constraint_violation';
    END $$""",
    f"""CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON {TABLE}
    FOR EACH ROW EXECUTE FUNCTION audit_append_only()""",
    f"""CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON {TABLE}
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()""",
]


def install(connection: Any) -> None:
    """Create the triggers; a migration does. SQLite loses them when the table is made anew."""
    statements = _POSTGRES if connection.vendor == "postgresql" else _SQLITE
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def remove(connection: Any) -> None:
    """Drop them; for the way back of the migration, and for tests that empty the table."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"DROP TRIGGER IF EXISTS audit_no_change ON {TABLE}")
            cursor.execute(f"DROP TRIGGER IF EXISTS audit_no_truncate ON {TABLE}")
            cursor.execute("DROP FUNCTION IF EXISTS audit_append_only()")
        else:
            cursor.execute("DROP TRIGGER IF EXISTS audit_no_update")
            cursor.execute("DROP TRIGGER IF EXISTS audit_no_delete")
