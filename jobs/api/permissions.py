"""Roles over REST: viewers read, operators do, admins everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from jobs import access

if TYPE_CHECKING:
    # The views import the default permissions.
    from rest_framework.views import APIView


class ByRole(BasePermission):
    """The default: any role may read; all else takes an operator. Whose rows, the view decides."""

    message = "Your role does not allow this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method in SAFE_METHODS:
            return access.may_see(request.user)
        return access.may_do(request.user)


class AnyRole(BasePermission):
    """For what concerns oneself alone: profile, settings, tickets."""

    message = "Your account has no role; an admin gives you one."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return access.may_see(request.user)


class AdminsOnly(BasePermission):
    message = "Only an admin may do this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return access.is_admin(request.user)
