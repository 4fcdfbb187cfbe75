"""/api/admin: accounts, everybody's jobs, figures and the audit trail; for admins alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from config import people
from config.api.shapes import (
    PROFILE,
    AuditShape,
    NewUser,
    UserChange,
    UserShape,
    me_dto,
)
from config.models import LoginFailure
from jobs import audit, console
from jobs.access import Role
from jobs.api.base import ApiView, cleaned, query_of, user_of
from jobs.api.filters import JobFilters
from jobs.api.paging import Paging, newest_page
from jobs.api.permissions import AdminsOnly
from jobs.api.problem import Problem
from jobs.api.shapes import JobsPage, NoParameters
from jobs.api.views import jobs_page
from jobs.audit_export import FORMATS, entry_dto, export_response
from jobs.logins import Login
from jobs.models import Artifact, AuditEntry, Job

ROLE_OR_NONE = [*(role.value for role in Role), "none"]


class UserFilters(Paging):
    role = serializers.ChoiceField(choices=ROLE_OR_NONE, required=False)
    active = serializers.BooleanField(required=False)
    q = serializers.CharField(required=False, max_length=150, help_text="Part of name or email.")


class UsersPage(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = UserShape(many=True)


class AdminView(ApiView):
    permission_classes = (AdminsOnly,)


def users() -> QuerySet[User]:
    theirs = Login.objects.open().filter(user=OuterRef("pk")).order_by().values("user")
    count = Subquery(theirs.annotate(count=Count("*")).values("count"))
    return User.objects.annotate(open_logins=Coalesce(count, 0)).prefetch_related("groups")


def _role(user: User) -> Role | None:
    """From the rows that came along; also of a deactivated account: what it would be again."""
    held = {group.name for group in user.groups.all()}
    role = next((role for role in reversed(Role) if role in held), None)
    return Role.ADMIN if user.is_superuser else role


def user_dto(user: User) -> dict[str, Any]:
    return {
        **me_dto(user, role=_role(user)),
        "isActive": user.is_active,
        "openLogins": getattr(user, "open_logins", 0),
    }


class UsersView(AdminView):
    serializer_class = NewUser

    @extend_schema(
        operation_id="admin_users",
        summary="List accounts",
        parameters=[UserFilters],
        responses=UsersPage,
    )
    def get(self, request: Request) -> Response:
        given = query_of(request, UserFilters)
        rows = users()
        if role := given.get("role"):
            rows = rows.filter(_has_role(role))
        if "active" in given:
            rows = rows.filter(is_active=given["active"])
        if words := given.get("q"):
            rows = rows.filter(Q(username__icontains=words) | Q(email__icontains=words))
        return newest_page(rows=rows, given=given, request=request, dto=user_dto)

    @extend_schema(
        operation_id="admin_users_create",
        summary="Make an account",
        request=NewUser,
        responses={201: UserShape},
    )
    def post(self, request: Request) -> Response:
        given = cleaned(NewUser, request.data)
        user = people.create_user(
            username=given["username"],
            password=given["password"],
            role=Role(given["role"]) if given["role"] else None,
            by=user_of(request),
            **{PROFILE[wire]: given[wire] for wire in PROFILE if wire in given},
        )
        return Response(
            user_dto(users().get(pk=user.pk)),
            status=201,
            headers={"Location": f"/api/admin/users/{user.pk}"},
        )


class UserView(AdminView):
    serializer_class = UserChange

    @extend_schema(operation_id="admin_user", summary="Read one account", responses=UserShape)
    def get(self, request: Request, user_id: str) -> Response:
        return Response(user_dto(_user(user_id)))

    @extend_schema(
        operation_id="admin_user_edit",
        summary="Change an account, its role, or whether it is open",
        description="All of it or nothing. `isActive` false ends sessions and tokens at once, "
        "open sockets within a minute. 409 where no admin would be left.",
        request=UserChange,
        responses=UserShape,
    )
    def patch(self, request: Request, user_id: str) -> Response:
        user, by = _user(user_id), user_of(request)
        given = cleaned(UserChange, request.data)
        try:
            people.change(
                user=user,
                by=by,
                profile={PROFILE[wire]: given[wire] for wire in PROFILE if wire in given},
                role=(Role(given["role"]) if given["role"] else None)
                if "role" in given
                else people.AS_IT_IS,
                password=given.get("password"),
                is_active=given.get("isActive"),
            )
        except people.LastAdmin as error:
            raise Problem(status=409, code="last_admin", detail=str(error)) from error
        except people.YourOwnAccount as error:
            raise Problem(status=409, code="own_account", detail=str(error)) from error
        return Response(user_dto(_user(user_id)))


class UnlockView(AdminView):
    @extend_schema(
        operation_id="admin_user_unlock",
        summary="Forget the failed logins of an account",
        request=None,
        responses={204: OpenApiResponse(description="It may log in again.")},
    )
    def post(self, request: Request, user_id: str) -> Response:
        people.unlock(user=_user(user_id), by=user_of(request))
        return Response(status=204)


class AllJobsView(AdminView):
    @extend_schema(
        operation_id="admin_jobs",
        summary="List everybody's jobs",
        parameters=[JobFilters],
        responses=JobsPage,
    )
    def get(self, request: Request) -> Response:
        return jobs_page(request, Job.objects.all())


class StatsShape(serializers.Serializer[Any]):
    users = serializers.DictField(help_text="By role, and `inactive`.")
    jobs = serializers.DictField(help_text="By status; ends in + beyond 10,000.")
    lastDay = serializers.DictField(help_text="Jobs made in the last 24 hours, by kind.")
    artifacts = serializers.DictField(help_text="`files` and `sizeBytes`.")
    openLogins = serializers.IntegerField()
    lockedLogins = serializers.IntegerField()


class StatsView(AdminView):
    @extend_schema(operation_id="admin_stats", summary="Figures", responses=StatsShape)
    def get(self, request: Request) -> Response:
        query_of(request, NoParameters)
        now = timezone.now()
        kept = Artifact.objects.aggregate(files=Count("id"), size=Sum("size_bytes"))
        made = Job.objects.filter(id__gte=console.id_at(now - timedelta(days=1)))
        by_kind = made.order_by().values_list("kind").annotate(count=Count("id"))
        return Response(
            {
                "users": _users_by_role(),
                "jobs": console.counts_by_status(Job.objects.all()),
                "lastDay": dict(by_kind),
                "artifacts": {"files": kept["files"], "sizeBytes": kept["size"] or 0},
                "openLogins": Login.objects.open().filter(expires_at__gt=now).count(),
                "lockedLogins": LoginFailure.objects.locked(now=now).count(),
            }
        )


class AuditFilters(serializers.Serializer[Any]):
    actor = serializers.CharField(required=False, max_length=150, help_text="Exactly this name.")
    action = serializers.CharField(
        required=False, max_length=80, help_text="`job.cancel`, or `job.` for all that begin so."
    )
    targetType = serializers.CharField(required=False, max_length=100, help_text="`jobs.job`")
    targetId = serializers.CharField(required=False, max_length=100)
    outcome = serializers.ChoiceField(choices=AuditEntry.Outcome.values, required=False)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False, help_text="Before, not at.")


class AuditListFilters(AuditFilters, Paging):
    pass


class AuditExportFilters(AuditFilters):
    form = serializers.ChoiceField(choices=sorted(FORMATS), default="jsonl")


class AuditPage(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = AuditShape(many=True)


class AuditView(AdminView):
    @extend_schema(
        operation_id="admin_audit",
        summary="Read the audit trail, newest first",
        parameters=[AuditListFilters],
        responses=AuditPage,
    )
    def get(self, request: Request) -> Response:
        given = query_of(request, AuditListFilters)
        rows = AuditEntry.objects.matching(**_criteria(given))
        return newest_page(rows=rows, given=given, request=request, dto=entry_dto)


class AuditExportView(AdminView):
    @extend_schema(
        operation_id="admin_audit_export",
        summary="Download the audit trail, oldest first",
        parameters=[AuditExportFilters],
        responses={
            (200, "application/x-ndjson"): str,
            (200, "text/csv"): str,
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        given = query_of(request, AuditExportFilters)
        criteria = _criteria(given)
        said = {"form": given["form"], **{name: str(value) for name, value in criteria.items()}}
        audit.record(action="audit.export", by=user_of(request), data=said)
        return export_response(
            request._request,
            entries=AuditEntry.objects.matching(**criteria),
            form=given["form"],
            now=timezone.now(),
        )


def _criteria(given: dict[str, Any]) -> dict[str, Any]:
    spelled = {"targetType": "target_type", "targetId": "target_id"}
    other = {"limit", "cursor", "form"}
    return {spelled.get(name, name): value for name, value in given.items() if name not in other}


def _user(user_id: str) -> User:
    key = int(user_id) if user_id.isascii() and user_id.isdigit() else None
    user = users().filter(pk=key).first() if key is not None and key < 2**63 else None
    if user is None:
        raise NotFound("There is no such account.")
    return user


def _has_role(role: str) -> Q:
    names = list(Role) if role == "none" else [role]
    held = Q(pk__in=User.groups.through.objects.filter(group__name__in=names).values("user_id"))
    if role == Role.ADMIN:
        return held | Q(is_superuser=True)
    return (~held if role == "none" else held) & Q(is_superuser=False)


def _users_by_role() -> dict[str, int]:
    rows = list(User.objects.prefetch_related("groups"))
    counts = {"inactive": sum(not user.is_active for user in rows)}
    for role in ROLE_OR_NONE:
        counts[role] = sum(user.is_active and (_role(user) or "none") == role for user in rows)
    return counts
