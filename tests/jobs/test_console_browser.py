"""The console of jobs in a real Chromium: cancelling, reconnecting, and files that mean harm."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import BrowserContext, Page, Response, Route, expect, sync_playwright

from jobs import events, services
from jobs.browser import find_chromium
from jobs.models import Artifact, Job, Status
from tests.fixtures.jobs import wait_for, wait_until_ended
from tests.fixtures.web import Web
from tests.jobs.conftest import end_job, stored_artifact, stored_job
from tests.jobs.test_events_ws import session_cookie

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]

# What a page can do to whoever is logged in: read the API with their cookie, and tell.
THEFT = "fetch('/api/jobs').then((answer) => new Image().src = '/stolen?' + answer.status);"
HARMFUL = [
    (
        "a.svg",
        "image/svg+xml",
        f'<svg xmlns="http://www.w3.org/2000/svg"><script>{THEFT}</script></svg>',
    ),
    ("a.html", "text/html", f"<script>{THEFT}</script>"),
    ("a.xhtml", "text/html;charset=x", f"<script>{THEFT}</script>"),
    ("a.odd", "<script>/html", f"<html><script>{THEFT}</script>"),
    ("a.txt", "text/plain", f"<html><script>{THEFT}</script>"),
    ("a.json", "application/json", f"<html><script>{THEFT}</script>"),
    ("a.jsonl", "application/x-ndjson", f"<html><script>{THEFT}</script>"),
    ("a.webm", "video/webm", f"<html><script>{THEFT}</script>"),
]
# Records one second of a canvas: a video without an encoder among the test's needs.
FILM = """async () => {
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  const paint = setInterval(() => pen.fillRect(0, 0, Math.random() * 300, 150), 30);
  const recorder = new MediaRecorder(canvas.captureStream(), { mimeType: "video/webm" });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.start();
  await new Promise((go) => setTimeout(go, 1000));
  await new Promise((go) => { recorder.onstop = go; recorder.stop(); });
  clearInterval(paint);
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  return btoa(String.fromCharCode(...bytes));
}"""
FRAME = """(src) => {
  document.body.append(Object.assign(document.createElement("iframe"), { src }));
}"""
PLAYS = "() => document.querySelector('video')?.videoWidth > 1"


@pytest.fixture
def context(web: Web, owner: User, monkeypatch: pytest.MonkeyPatch) -> Iterator[BrowserContext]:
    """A Chromium in which `owner` is logged in."""
    name, _, value = session_cookie(owner).partition("=")
    # Playwright's plain interface keeps an event loop on this thread, where the tests' own
    # queries run; nothing of the application runs in it.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(find_chromium().executable), args=["--no-sandbox"]
        )
        context = browser.new_context(base_url=web.url)
        context.set_default_timeout(30_000)
        context.add_cookies([{"name": name, "value": value, "url": web.url}])
        yield context
        browser.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    expect.set_options(timeout=30_000)
    return context.new_page()


def page_of(job: Job) -> str:
    return f"/admin/jobs/job/{job.pk}/change/"


def emit(job: Job, type: str, **data: Any) -> None:
    events.emit(job_id=job.pk, type=type, data=data, attempt=1)


def drawn(page: Page) -> list[int]:
    """The numbers of the events in the list, as it shows them."""
    numbers: list[int] = page.locator(".td-events > li").evaluate_all(
        "(lines) => lines.map((line) => Number(line.dataset.seq))"
    )
    return numbers


def test_a_running_job_is_cancelled_with_a_reason(
    page: Page, owner: User, cluster: Callable[..., Any]
) -> None:
    cluster(workers=1)
    job = services.submit(kind="test.sleeps", options={"seconds": 50}, by=owner, name="Long one")
    listed = page.context.new_page()
    listed.goto("/admin/jobs/job/")
    page.goto(page_of(job))
    state = page.locator("job-live job-status")
    expect(state).to_have_text("Running")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Keep it going").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_label("Reason").fill("<b>wrong</b> page")
    page.get_by_role("button", name="Cancel this job").click()
    expect(state).to_have_text("Cancelled")
    expect(page.locator('[data-fact="cancel"]')).to_have_text(
        "Cancelling was asked for: <b>wrong</b> page"
    )
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_hidden()
    expect(listed.locator(f'job-status[data-job="{job.pk}"]')).to_have_text("Cancelled")
    ended = wait_until_ended(job)
    assert (ended.status, ended.cancel_reason) == (Status.CANCELLED, "<b>wrong</b> page")


def test_the_first_job_of_all_wakes_the_dashboard(page: Page, owner: User) -> None:
    page.goto("/admin/")
    expect(page.get_by_role("heading", name="Record your first flow")).to_be_visible()
    job = stored_job(owner=owner, name="The first")
    expect(page.locator(f'job-table [data-job="{job.pk}"]')).to_contain_text("The first")
    expect(page.get_by_role("heading", name="Record your first flow")).to_be_hidden()
    expect(page.locator('[data-figure="queued"]')).to_have_text("1")


def test_events_come_once_each_though_the_server_dies(page: Page, web: Web, owner: User) -> None:
    job = stored_job(owner=owner, status=Status.RUNNING)
    emit(job, "attempt.started", number=1, worker="w")
    page.goto(f"{page_of(job)}#events")
    expect(page.locator(".td-events > li")).to_have_count(2)
    web.kill()
    banner = page.locator("td-connection")
    expect(banner).to_contain_text("Connection lost")
    emit(job, "demo.phase_changed", phase="reading")
    emit(job, "demo.page_started", number=1, wording="Read page 1")
    emit(job, "demo.page_passed", number=1)
    web.start()
    expect(banner).to_be_hidden()
    emit(job, "demo.page_started", number=2, wording="Read page 2")
    emit(job, "demo.page_failed", number=2, error="Torn out")
    end_job(job)
    expect(page.locator("job-live job-status")).to_have_text("Succeeded")
    wait_for(lambda: drawn(page) == list(range(1, 9)))
    page.get_by_role("tab", name="Timeline").click()
    bars = page.locator(".td-line-inner")
    expect(bars.locator(".td-line-word > :first-child")).to_have_text(
        ["Starting", "Reading", "1. Read page 1", "2. Read page 2"]
    )
    assert bars.locator(".td-bar").evaluate_all("(all) => all.map((one) => one.dataset.outcome)")[
        2:
    ] == ["passed", "failed"]
    expect(bars.last).to_contain_text("Torn out")


def test_many_events_and_files_come_in_pages(page: Page, owner: User) -> None:
    job = stored_job(owner=owner, status=Status.RUNNING)
    for number in range(700):
        emit(job, "page.read", number=number)
    one = stored_artifact(job, path="0.txt", body=b"", content_type="text/plain")
    shared = {name: getattr(one, name) for name in ("job", "attempt", "kind", "content_type")}
    shared |= {name: getattr(one, name) for name in ("size_bytes", "sha256", "created_at")}
    Artifact.objects.bulk_create(
        Artifact(**shared, visible=True, path=f"{n}.txt", storage_name=f"none/{n}")
        for n in range(1, 1101)
    )
    end_job(job)
    page.goto(f"{page_of(job)}#events")
    wait_for(lambda: drawn(page) == list(range(403, 703)))
    page.get_by_role("button", name="Show 300 earlier events").click()
    assert drawn(page) == list(range(103, 703))
    page.get_by_role("button", name="Show 102 earlier events").click()
    assert drawn(page) == list(range(1, 703))
    page.get_by_role("tab", name="Artifacts").click()
    expect(page.get_by_role("tab", name="Artifacts")).to_contain_text("1,101")
    rows = page.locator("job-artifacts tbody tr")
    expect(rows).to_have_count(200)
    page.get_by_role("button", name="Show 200 more of 901").click()
    expect(rows).to_have_count(400)


def show_in_place(context: BrowserContext, *, without: set[str]) -> None:
    """Have the browser get files of jobs without these headers."""

    def fulfil(route: Route) -> None:
        answer = route.fetch()
        kept = {name: value for name, value in answer.headers.items() if name not in without}
        route.fulfill(response=answer, headers=kept)

    context.route("**/artifacts/*", fulfil)


def harmful_urls(owner: User) -> list[str]:
    job = stored_job(owner=owner, status=Status.SUCCEEDED)
    for path, content_type, body in HARMFUL:
        stored_artifact(job, path=path, body=body.encode(), content_type=content_type)
    return [f"/api/jobs/{job.pk}/artifacts/{path}" for path, _, _ in HARMFUL]


def _is_of(url: str, response: Response) -> bool:
    return response.url.endswith(url)


@pytest.mark.parametrize("without", [set(), {"content-disposition"}], ids=["served", "shown"])
def test_files_of_a_job_can_not_act_as_who_opens_them(
    context: BrowserContext, owner: User, without: set[str]
) -> None:
    """Each in a tab of its own and in a frame; the policy holds without the download, too."""
    urls = harmful_urls(owner)
    requests: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    if without:
        show_in_place(context, without=without)
    framing = context.new_page()
    framing.goto("/admin/jobs/job/")
    for url in urls:
        answers = partial(_is_of, url)
        opened = context.new_page()
        opened.goto("/api/jobs/summary")
        # By script: a download ends page.goto() with an error.
        with opened.expect_response(answers):
            opened.evaluate("(url) => { location.href = url; }", url)
        with framing.expect_response(answers):
            framing.evaluate(FRAME, url)
        opened.wait_for_load_state()
        opened.close()
    # Whoever could act has had the time of a round trip to do so.
    framing.evaluate("() => fetch('/api/jobs/summary').then((answer) => answer.text())")
    assert not [one for one in requests if "/stolen" in one or one.endswith("/api/jobs")]


def test_without_the_headers_the_theft_works(
    context: BrowserContext, page: Page, owner: User
) -> None:
    """What the test above proves, it proves because of them."""
    show_in_place(context, without={"content-disposition", "content-security-policy"})
    for url in harmful_urls(owner)[:2]:
        with page.expect_request("**/stolen?200"):
            page.goto(url)


def test_a_video_plays_on_a_page_and_in_its_own_tab(page: Page, owner: User) -> None:
    page.goto("about:blank")
    film = base64.b64decode(page.evaluate(FILM))
    job = stored_job(owner=owner, status=Status.SUCCEEDED)
    stored_artifact(job, path="video/01.webm", body=film, content_type="video/webm")
    lines = stored_artifact(
        job, path="console.jsonl", body=b'{"a": 1}\n', content_type="application/x-ndjson"
    )
    url = f"/api/jobs/{job.pk}/artifacts/video/01.webm"
    page.goto(page_of(job))
    page.evaluate(
        "(src) => document.body.append(Object.assign(document.createElement('video'), {src}))", url
    )
    page.wait_for_function(PLAYS)
    page.goto(url)
    page.wait_for_function(PLAYS)
    page.goto(f"/api/jobs/{job.pk}/artifacts/{lines.path}")
    expect(page.locator("body")).to_have_text('{"a": 1}')


def test_swagger_and_the_browsable_api_work_without_the_internet(
    page: Page, web: Web, owner: User
) -> None:
    asked: list[str] = []
    refused: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on(
        "console",
        lambda said: refused.append(said.text) if "Content Security" in said.text else None,
    )
    page.on("pageerror", lambda error: refused.append(error.message))
    page.goto("/api/docs/#/jobs/jobs_list")
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response .response-col_status")).to_contain_text(
        "200"
    )

    page.goto("/api/jobs")
    form = page.locator("form").filter(has=page.locator('[name="kind"]')).first
    form.locator('[name="kind"]').select_option("test.noop")
    form.locator('[name="name"]').fill("From the browsable API")
    form.get_by_role("button", name="POST").click()
    expect(page.locator(".response-info")).to_contain_text("HTTP 202")
    assert Job.objects.filter(name="From the browsable API", kind="test.noop").count() == 1

    assert [url for url in asked if not url.startswith((web.url, "data:", "blob:"))] == []
    assert refused == []


def test_the_theme_follows_the_system_while_a_page_is_open(page: Page) -> None:
    html = page.locator("html")
    is_dark = re.compile(r"\bdark\b")
    page.emulate_media(color_scheme="light")
    page.goto("/admin/")
    expect(html).not_to_have_class(is_dark)
    page.emulate_media(color_scheme="dark")
    expect(html).to_have_class(is_dark)
    page.emulate_media(color_scheme="light")
    expect(html).not_to_have_class(is_dark)
    # Unless somebody chose: then it stays, also for pages that are opened later.
    page.evaluate("Alpine.$data(document.documentElement).switchTheme('light')")
    expect(html).to_have_class(re.compile(r"\blight\b"))
    page.emulate_media(color_scheme="dark")
    page.reload()
    expect(html).to_have_class(re.compile(r"\blight\b"))
    expect(html).not_to_have_class(is_dark)
