from django.conf import settings
from django.db import migrations, models

COLUMNS = ("parent_id", "cancel_requested_by_id")


def drop_whole_indexes(apps, schema_editor):
    # By name, not by AlterField: that would copy the whole table on SQLite.
    table = apps.get_model("jobs", "Job")._meta.db_table
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, table)
    for name, what in found.items():
        plain = what["index"] and not what["unique"] and len(what["columns"]) == 1
        if plain and what["columns"][0] in COLUMNS and name.startswith(table):
            schema_editor.execute(f"DROP INDEX {schema_editor.quote_name(name)}")


def make_whole_indexes(apps, schema_editor):
    table = apps.get_model("jobs", "Job")._meta.db_table
    for column in COLUMNS:
        schema_editor.execute(f"CREATE INDEX {table}_{column} ON {table} ({column})")


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0011_indexes_of_what_one_sees"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(drop_whole_indexes, make_whole_indexes)],
            state_operations=[
                migrations.AlterField(
                    "job",
                    "parent",
                    models.ForeignKey(
                        "jobs.job",
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=models.deletion.SET_NULL,
                        related_name="children",
                    ),
                ),
                migrations.AlterField(
                    "job",
                    "cancel_requested_by",
                    models.ForeignKey(
                        settings.AUTH_USER_MODEL,
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=models.deletion.SET_NULL,
                        related_name="+",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            "job",
            models.Index(
                "parent", name="job_parent", condition=models.Q(("parent__isnull", False))
            ),
        ),
        migrations.AddIndex(
            "job",
            models.Index(
                "cancel_requested_by",
                name="job_cancelled_by",
                condition=models.Q(("cancel_requested_by__isnull", False)),
            ),
        ),
    ]
