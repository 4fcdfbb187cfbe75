"""What the console's pages have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from jobs import access


@dataclass(frozen=True, kw_only=True)
class Empty:
    """What an empty list says, as the attribute `empty` of its admin.

    `button`: on the way to the form of a new one, for whom may add one; where nobody may, to the
    page that `link` names.
    """

    icon: str
    title: str
    text: str
    button: str = ""
    link: str = ""


class OwnerShown:
    """The column of a row's owner; the list selects it with its rows."""

    @admin.display(description="Owner")
    def owner_shown(self, row: Any) -> str:
        return str(row.owner.get_username())


class ReadOnly(ModelAdmin):
    """Any role may look; nobody adds, edits or deletes rows here."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.may_see(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
