"""What the views of the API share."""

from __future__ import annotations

from typing import Any, TypeVar, cast
from uuid import UUID

from django.contrib.auth.models import User
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.settings import api_settings

from jobs.logins import Standing
from jobs.models import Job

_NO_JOB = "There is no such job, or it is not yours."


class ApiView(GenericAPIView[Any]):
    """A view whose `serializer_class`, where it has one, is the body that it takes.

    The description and the forms of the browsable pages are made from it.
    """

    # Views without a body have none; DRF asks for one only to draw a form.
    serializer_class: type[serializers.BaseSerializer[Any]] | None = None
    queryset = Job.objects.none()


def user_of(request: Request) -> User:
    """Who asks; the permission class has let nobody else through."""
    return cast(User, request.user)


def standing_of_request(request: Request) -> Standing:
    """What the caller's access rests on: its token's login, or its session."""
    if request.auth:
        return Standing.of_token(request.auth, request.user)
    return Standing.of_session(getattr(request._request, "session", None), request.user)


S = TypeVar("S", bound="serializers.Serializer[Any]")


def cleaned(serializer: type[S], data: Any) -> dict[str, Any]:
    """`data` as `serializer` takes it.

    :raises ValidationError: 400, each field that is at fault by name.
    """
    given = serializer(data=data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def query_of(
    request: Request, serializer: type[S], *, lists: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The query parameters as `serializer` takes them; an unknown one is refused.

    Of a repeated parameter the last one counts, but for `lists`, which the caller reads itself.

    :raises ValidationError: 400, each parameter that is at fault by name.
    """
    params = request.query_params
    given = {name: params[name] for name in params if name != api_settings.URL_FORMAT_OVERRIDE}
    known = serializer().fields
    unknown = {
        name: [f"Unknown parameter. Known: {', '.join(known)}."]
        for name in given
        if name not in known
    }
    repeated = {
        name: ["Given more than once."]
        for name in given
        if name in known and name not in lists and len(params.getlist(name)) > 1
    }
    if unknown or repeated:
        raise serializers.ValidationError({**unknown, **repeated})
    return cleaned(serializer, given)


def job_of(request: Request, job_id: str) -> Job:
    """:raises NotFound: no such job, or not this user's; a malformed id is no job's either."""
    try:
        key = UUID(job_id)
    except ValueError as error:
        raise NotFound(_NO_JOB) from error
    job = Job.objects.visible_to(request.user).select_related("owner").filter(pk=key).first()
    if job is None:
        raise NotFound(_NO_JOB)
    return job
