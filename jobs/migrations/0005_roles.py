"""The three roles as groups; who was let in before keeps what they could do."""

from django.conf import settings
from django.db import migrations


def make_roles(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    User = apps.get_model(*settings.AUTH_USER_MODEL.split("."))
    roles = {name: Group.objects.get_or_create(name=name)[0] for name in ("viewer", "operator", "admin")}
    for user in User.objects.filter(is_superuser=True):
        user.groups.add(roles["admin"])
        if not user.is_staff:
            user.is_staff = True
            user.save(update_fields=["is_staff"])
    for user in User.objects.filter(is_superuser=False, is_staff=True):
        user.groups.add(roles["operator"])


def drop_roles(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=["viewer", "operator", "admin"]).delete()


def install_triggers(apps, schema_editor):
    from jobs import audit_triggers

    audit_triggers.install(schema_editor.connection)


def remove_triggers(apps, schema_editor):
    from jobs import audit_triggers

    audit_triggers.remove(schema_editor.connection)


class Migration(migrations.Migration):

    dependencies = [
        ("jobs", "0004_access_and_audit"),
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(make_roles, drop_roles),
        migrations.RunPython(install_triggers, remove_triggers),
    ]
