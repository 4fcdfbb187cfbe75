"""The search page's routes, below /admin/search/."""

from django.contrib import admin
from django.urls import path
from django.views.decorators.http import require_POST

from ingestion import search_page

urlpatterns = [
    path("", admin.site.admin_view(search_page.show), name="console-search"),
    path("embed/", admin.site.admin_view(require_POST(search_page.embed)), name="console-embed"),
]
