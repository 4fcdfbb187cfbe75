"""Every page of the console is found from the sidebar, and nobody is shown what is not theirs."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from config.navigation import SIDEBAR, TABS
from jobs.access import Role
from jobs.roles import put_in

pytestmark = pytest.mark.django_db


def client_of(role: Role) -> Client:
    user = User.objects.create_user(f"a-{role}")
    put_in(user=user, role=role)
    client = Client()
    client.force_login(user)
    return client


def test_every_list_is_a_click_away() -> None:
    """From the sidebar, a tab of a page there, or the System page."""
    client = client_of(Role.ADMIN)
    system = client.get(reverse("console-system")).content.decode()
    for model in admin.site._registry:
        name = model._meta.label_lower.replace(".", "_")
        assert f'href="{reverse(f"admin:{name}_changelist")}"' in system, name


@pytest.mark.parametrize("role", Role)
def test_what_the_sidebar_and_the_tabs_show_opens(role: Role) -> None:
    client = client_of(role)
    page = client.get(reverse("console-system"))
    sidebar = [
        item["link"] for group in page.context["sidebar_navigation"] for item in group["items"]
    ]
    tabs = [item["link"] for each in page.context["tab_list"] for item in each["items"]]
    for link in {*sidebar, *tabs}:
        assert client.get(link).status_code == 200, link
    everything = [p.link for pages in (*SIDEBAR.values(), *TABS) for p in pages]
    if role is Role.ADMIN:
        assert {*sidebar, *tabs} == {*everything}
    else:
        assert reverse("admin:auth_user_changelist") not in sidebar
        assert client.get(reverse("admin:auth_user_changelist")).status_code == 403
        assert reverse("admin:jobs_auditentry_changelist") not in sidebar


@pytest.mark.parametrize("role", Role)
def test_an_empty_list_says_what_it_is_for(role: Role) -> None:
    client = client_of(role)
    for name in ("jobs_preset", "jobs_schedule", "jobs_kindpolicy", "jobs_retentionrule"):
        page = client.get(reverse(f"admin:{name}_changelist"))
        empty = page.context["cl"].model_admin.empty
        text = page.content.decode()
        assert empty.title in text
        may_add = page.context["cl"].model_admin.has_add_permission(page.wsgi_request)
        assert (f">{empty.button}</a>" in text) is may_add
    audit = reverse("admin:jobs_auditentry_changelist")
    if role is Role.ADMIN:
        assert "Nothing matches" in client.get(f"{audit}?q=nobody-of-this-name").content.decode()


def test_an_empty_dashboard_offers_a_viewer_nothing_they_may_not_do() -> None:
    page = client_of(Role.VIEWER).get("/admin/").content.decode()
    assert "Nothing is shared with you yet" in page
    assert "Record your first flow" not in page
    assert "New recording" not in page
