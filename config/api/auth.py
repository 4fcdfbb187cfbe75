"""/api/auth: registering, logging in and out, tokens for programs and tickets for websockets."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import auth
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from config import people, tickets, tokens
from config.accounts import locked_for_s
from config.api.shapes import MeShape, me_dto
from jobs import audit, context
from jobs.access import role_of
from jobs.api.base import ApiView, cleaned, standing_of_request, user_of
from jobs.api.permissions import AnyRole
from jobs.api.problem import Problem
from jobs.api.shapes import Strict
from jobs.events import time_dto
from jobs.logins import LOGIN_CLAIM

REFUSED = "The token is not valid (any more); log in again."


class Credentials(Strict):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(
        max_length=1000, trim_whitespace=False, style={"input_type": "password"}
    )


class Registration(Credentials):
    email = serializers.EmailField(required=False, allow_blank=True, default="")


class Refresh(Strict):
    refresh = serializers.CharField(max_length=4000)


class Logout(Strict):
    refresh = serializers.CharField(
        max_length=4000, required=False, help_text="Else the login of the token in the header."
    )


class PairShape(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="For `Authorization: Bearer …`; 10 minutes.")
    refresh = serializers.CharField(help_text="Good for one refresh, within 7 days.")


class SaidShape(serializers.Serializer[Any]):
    detail = serializers.CharField()


class TicketShape(serializers.Serializer[Any]):
    ticket = serializers.CharField(help_text="For `?ticket=` of one websocket, once.")
    expiresAt = serializers.DateTimeField()


class Open(ApiView):
    """Anybody may ask; a token that is sent along is not looked at, good or bad."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get_authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class RegisterView(Open):
    serializer_class = Registration
    throttle_scope = "register"

    @extend_schema(
        operation_id="auth_register",
        summary="Make an account, where this installation lets you",
        description="Without a role: an admin gives it one. The answer is the same where the "
        "name is taken.",
        request=Registration,
        responses={202: SaidShape},
    )
    def post(self, request: Request) -> Response:
        if not settings.REGISTRATION:
            raise Problem(
                status=403,
                code="registration_off",
                detail="Nobody registers here by themselves; ask an admin for an account.",
            )
        people.register(**cleaned(Registration, request.data))
        said = "If the name was free, the account is there. An admin gives it a role."
        return Response({"detail": said}, status=202)


class LoginView(Open):
    serializer_class = Credentials
    throttle_scope = "login"

    @extend_schema(
        operation_id="auth_login",
        summary="Log in",
        description="401 wrong; 429 after too many failures, with the seconds to wait.",
        request=Credentials,
        responses=PairShape,
    )
    def post(self, request: Request) -> Response:
        given = cleaned(Credentials, request.data)
        wait_s = locked_for_s(
            username=given["username"], address=context.current().address, now=timezone.now()
        )
        if wait_s:
            raise Problem(
                status=429,
                code="login_locked",
                detail="Too many failed logins.",
                headers={"Retry-After": str(wait_s)},
            )
        user = auth.authenticate(request._request, **given)
        if user is None:
            raise AuthenticationFailed("No active account has this name and password.")
        return Response(tokens.open_login(user=user).as_json())


class RefreshView(Open):
    serializer_class = Refresh
    throttle_scope = "login"

    @extend_schema(
        operation_id="auth_refresh",
        summary="Get the next tokens",
        description="The refresh token given is used up. One that comes a second time ends its login.",
        request=Refresh,
        responses=PairShape,
    )
    def post(self, request: Request) -> Response:
        try:
            pair = tokens.refresh(token=cleaned(Refresh, request.data)["refresh"])
        except tokens.TokenRefused as error:
            raise AuthenticationFailed(str(error), code="token_not_valid") from error
        return Response(pair.as_json())


class LogoutView(ApiView):
    """Ends the login: its refresh token, every access token from it, sockets within a minute."""

    serializer_class = Logout
    permission_classes = (AllowAny,)
    throttle_scope = "login"
    throttle_by_address = True

    def perform_authentication(self, request: Request) -> None:
        """Only where it matters: whoever shows a refresh token may have an expired access token."""

    @extend_schema(
        operation_id="auth_logout",
        summary="Log out",
        request=Logout,
        responses={204: OpenApiResponse(description="The login has ended.")},
    )
    def post(self, request: Request) -> Response:
        refresh = cleaned(Logout, request.data).get("refresh")
        if refresh:
            try:
                tokens.log_out(token=refresh)
            except tokens.TokenRefused as error:
                raise AuthenticationFailed(str(error), code="token_not_valid") from error
            return Response(status=204)
        if not request.user.is_authenticated:
            raise AuthenticationFailed(REFUSED, code="not_authenticated")
        token: Any = request.auth
        named = token.get(LOGIN_CLAIM) if token else None
        if named:
            tokens.end_login(login_id=named, by=user_of(request))
        elif token is None:
            auth.logout(request._request)
        else:
            raise Problem(
                status=422,
                code="no_login",
                detail="This token came from no login; it ends by itself within minutes.",
            )
        return Response(status=204)


class MeView(ApiView):
    permission_classes = (IsAuthenticated,)

    @extend_schema(operation_id="auth_me", summary="Who you are", responses=MeShape)
    def get(self, request: Request) -> Response:
        return Response(me_dto(user_of(request), role=role_of(request.user)))


class TicketView(ApiView):
    """A browser sends no header with a websocket, and a token has no place in an address."""

    permission_classes = (AnyRole,)
    serializer_class = Strict

    @extend_schema(
        operation_id="auth_ticket",
        summary="Get a ticket for one websocket",
        request=None,
        responses={201: TicketShape},
    )
    def post(self, request: Request) -> Response:
        user = user_of(request)
        ticket = tickets.issue(user=user, standing=standing_of_request(request), now=timezone.now())
        audit.record(action="account.ticket", by=user, target=user)
        return Response(
            {"ticket": ticket.text, "expiresAt": time_dto(ticket.expires_at)},
            status=201,
            headers={"Cache-Control": "no-store"},
        )
