"""The System page's routes, below /admin/system/."""

from django.contrib import admin
from django.urls import path
from django.views.decorators.http import require_POST

from jobs.admin import system_page

urlpatterns = [
    path("", admin.site.admin_view(system_page.show), name="console-system"),
    path(
        "drain/",
        admin.site.admin_view(require_POST(system_page.drain_workers)),
        name="console-drain",
    ),
    path(
        "resume/",
        admin.site.admin_view(require_POST(system_page.resume_workers)),
        name="console-resume",
    ),
]
