"""What moves in the console, in a real Chromium: logs, lists, forms, tabs and the day's chart."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, ViewportSize, expect

from jobs.models import Job, SavedTab, Status
from tests.jobs.conftest import end_job, stored_artifact, stored_job
from tests.jobs.test_console_browser import (  # noqa: F401  (fixtures)
    context,
    emit,
    page,
    page_of,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]

LIST = "/admin/jobs/job/"
# The whole log is in sight.
TALL: ViewportSize = {"width": 1280, "height": 1600}
MARKUP = "<img src=x onerror=document.title='owned'>"


def log(job: Job, *lines: str) -> None:
    emit(job, "log", stream="stdout", lines=list(lines))


def test_a_log_follows_shows_colours_finds_and_links(page: Page, owner: User) -> None:  # noqa: F811
    job = stored_job(owner=owner, name=MARKUP, status=Status.RUNNING)
    log(job, "\x1b[31mred\x1b[0m plain", MARKUP, "progress 1\rprogress 2", "\x1b]0;title\x07ok")
    log(job, *(f"line {n}" for n in range(5, 301)))
    page.set_viewport_size(TALL)
    page.goto(f"{page_of(job)}#log")
    box = page.locator(".td-log")
    rows = page.locator(".td-log-lines > div")
    expect(rows).to_have_count(300)
    expect(page.locator("#L1 .td-ansi-fg-1")).to_have_text("red")
    expect(page.locator("#L2 .td-log-text")).to_have_text(MARKUP)
    expect(page.locator("#L3 .td-log-text")).to_have_text("progress 2")
    expect(page.locator("#L4 .td-log-text")).to_have_text("ok")
    expect(page.locator("#L300")).to_be_in_viewport()
    log(job, "the newest")
    expect(page.locator("#L301")).to_be_in_viewport()
    page.get_by_label("Search the log").fill("line 7")
    expect(page.locator(".td-log-found")).to_have_text("1 of 11")
    expect(page.locator("#L7 mark")).to_have_text("line 7")
    page.get_by_label("Search the log").press("Enter")
    expect(page.locator(".td-log-found")).to_have_text("2 of 11")
    expect(page.locator("#L70")).to_have_class("td-log-target")
    # Whoever looks at a line is not carried away from it.
    top = box.evaluate("(box) => box.scrollTop")
    log(job, "newer still")
    expect(rows).to_have_count(302)
    assert box.evaluate("(box) => box.scrollTop") == top
    linked = page.context.new_page()
    linked.set_viewport_size(TALL)
    linked.goto(f"{page_of(job)}#L150")
    expect(linked.locator("#L150")).to_have_class("td-log-target")
    expect(linked.locator("#L150")).to_be_in_viewport()
    assert "owned" not in (page.title(), linked.title())


def test_files_and_events_are_looked_at_in_place(page: Page, owner: User) -> None:  # noqa: F811
    job = stored_job(owner=owner, status=Status.RUNNING, options={"deep": {"er": [MARKUP]}})
    emit(job, "page.read", number=1, text=MARKUP)
    stored_artifact(job, path="a.html", body=MARKUP.encode(), content_type="text/html")
    end_job(job)
    page.goto(f"{page_of(job)}#events")
    events = page.locator(".td-events > li")
    expect(events).to_have_count(3)
    page.get_by_role("button", name="Page 1").click()
    expect(events).to_have_count(2)
    page.get_by_role("button", name="Page 1").click()
    events.nth(1).locator("summary").first.click()
    expect(events.nth(1).locator(".td-tree-text")).to_contain_text(MARKUP)
    page.keyboard.press("4")
    page.get_by_role("button", name="a.html").click()
    expect(page.locator(".td-viewer pre")).to_have_text(MARKUP)
    page.get_by_role("tab", name="Input & output").click()
    expect(page.locator("td-tree[data-fact=options]")).to_contain_text(MARKUP)
    assert page.title() != "owned"


def test_jobs_are_cancelled_kept_as_a_tab_and_run_again(page: Page, owner: User) -> None:  # noqa: F811
    jobs = [stored_job(owner=owner, name=f"Job {n}", tags=["shop"]) for n in range(3)]
    page.goto(f"{LIST}?tag=shop")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Keyboard")
    page.keyboard.press("Escape")
    for _ in range(2):
        page.keyboard.press("j")
        page.keyboard.press("x")
    page.locator("select[name=action]").select_option("cancel_selected")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_label("Reason").fill("tidying")
    page.get_by_role("button", name="Cancel these jobs").click()
    expect(page.locator(".td-toast")).to_contain_text("2 cancelled")
    expect(page.locator("[data-status=cancelled] small")).to_have_text("2")
    end_job(Job.objects.get(pk=jobs[0].pk))
    expect(page.locator("[data-status=succeeded] small")).to_have_text("1")
    page.goto(f"{LIST}?tag=shop")
    page.get_by_text("Keep as a tab").click()
    page.get_by_label("Name of the tab").fill("The shop")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.locator(".td-saved-tabs span[aria-current]")).to_contain_text("The shop")
    assert SavedTab.objects.get().query == "tag=shop"
    page.goto(page_of(jobs[0]))
    page.get_by_role("link", name="Run again").click()
    page.get_by_label("Name").fill("Once more")
    page.get_by_role("button", name="Look at the differences").click()
    page.get_by_role("button", name="Run again").click()
    expect(page.locator("h2[data-fact=title]")).to_have_text("Once more")
    expect(page.locator(".td-chain")).to_contain_text("Job 0")


def test_the_chart_and_the_feed_are_live(page: Page, owner: User) -> None:  # noqa: F811
    for status in (Status.SUCCEEDED, Status.FAILED, Status.RUNNING):
        stored_job(owner=owner, status=status)
    page.goto("/admin/")
    parts = page.locator(".td-chart-part")
    expect(parts).to_have_count(3)
    expect(page.locator(".td-chart svg")).to_have_attribute(
        "aria-label", "Jobs queued in the last 24 hours, by hour: 1 succeeded, 1 failed, 1 running."
    )
    stored_job(owner=owner, name="Brand new")
    expect(page.locator("job-table")).to_contain_text("Brand new")
    expect(parts).to_have_count(4)
    page.get_by_role("button", name="As a table").click()
    expect(page.locator("day-chart tbody tr")).to_have_count(24)
    expect(page.locator("day-chart tbody tr").first.locator("td")).to_have_text(
        ["1", "1", "0", "1", "1"]
    )
