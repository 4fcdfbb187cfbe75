"""The jobs' websockets."""

from django.urls import re_path

from jobs.consumers import JobEvents

websocket_urlpatterns = [re_path(r"^ws/jobs/?$", JobEvents.as_asgi())]
