"""Reaching a site: the client and the browser that a source's settings ask for, and a first try."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ingestion.connectors import Problem, Report
from ingestion.http import USER_AGENT, Answer, BlockingClient, Client, FetchFailed
from ingestion.website import login
from ingestion.website.page import Page, read_page
from ingestion.website.plan import Plan
from ingestion.website.robots import Rules, fetch_rules
from ingestion.website.urls import Scope, canonical
from jobs.browser import BrowserNotFound, find_chromium
from jobs.egress import Policy
from jobs.rendering import PageRenderer

State = Mapping[str, Any] | None


def client_options(
    plan: Plan, settings: Mapping[str, Any], policy: Policy, state: State
) -> dict[str, Any]:
    """For `ingestion.http.Client` and its blocking twin."""
    return {
        "policy": policy,
        "limits": plan.limits,
        "home": plan.start,
        "credentials": settings.get("headers") or {},
        "cookies": login.cookies_of(state) if state else None,
        "connections": 16 * plan.concurrency,
    }


def site_client(plan: Plan, settings: Mapping[str, Any], policy: Policy, state: State) -> Client:
    return Client(**client_options(plan, settings, policy, state))


def site_browser(
    plan: Plan, settings: Mapping[str, Any], policy: Policy, state: State, folder: Path
) -> PageRenderer:
    return PageRenderer(
        policy=policy,
        scratch=folder / "browser",
        timeout_s=plan.timeout_s,
        storage_state=state,
        home=plan.start,
        headers=settings.get("headers") or {},
    )


def try_site(*, plan: Plan, settings: Mapping[str, Any], policy: Policy, owner_id: int) -> Report:
    """Whether a sync could begin, and what it would find on the start page."""
    notes: list[str] = []
    field = "auth_job" if settings.get("auth_job") else "auth_state"
    try:
        state = login.state_of(settings, owner_id=owner_id)
    except login.StateUnusable as error:
        problem = Problem(code=error.code, message=str(error), field=field)
        return Report(summary="The saved login is of no use.", problems=(problem,))
    with BlockingClient(**client_options(plan, settings, policy, state)) as client:
        try:
            answer = client.get(plan.start)
            answer.check()
        except FetchFailed as error:
            signed_out = error.code in ("login_needed", "forbidden")
            problem = Problem(
                code=error.code, message=error.message, field=field if signed_out else "url"
            )
            return Report(summary=f"{plan.start} can not be had.", problems=(problem,))
        rules = client.run(lambda inner: fetch_rules(inner, answer.url))
    page = read_page(answer.body, url=answer.url, headers=answer.headers)
    return _report(plan, answer, rules, page, notes)


def _report(plan: Plan, answer: Answer, rules: Rules, page: Page, notes: list[str]) -> Report:
    problems = _problems(plan, answer, rules)
    here = canonical(answer.url) or answer.url
    scope = Scope(
        start=here, same_domain=plan.same_domain_only, include=plan.include, exclude=plan.exclude
    )
    links = {found for link in page.links if (found := canonical(link)) and scope.keeps(found)}
    if here != plan.start:
        notes.append(f"The start page is redirected to {here}.")
    if page.needs_scripts:
        notes.append(_about_scripts(plan))
    if page.noindex:
        notes.append("The start page asks not to be indexed; it is read for its links only.")
    if not plan.obey_robots and not rules.allows(answer.url):
        notes.append("Its robots.txt forbids this page; that is not heeded, as was asked.")
    if rules.delay_s > plan.delay_s and plan.obey_robots:
        notes.append(f"Its robots.txt asks for {rules.delay_s:g} s between two requests.")
    chars = len(page.structure.text)
    facts = {
        "Answer": f"HTTP {answer.status}, {answer.content_type or 'no type'}",
        "Title": page.title,
        "Text": f"{chars:,} characters",
        "Links that would be followed": f"{len(links):,}",
        "Sitemaps in robots.txt": f"{len(rules.sitemaps):,}",
        "Asked as": USER_AGENT,
    }
    return Report(
        summary=f"{here} answers: “{page.title}”, {chars:,} characters, {len(links):,} links to follow.",
        facts=facts,
        problems=problems,
        notes=tuple(notes),
    )


def _problems(plan: Plan, answer: Answer, rules: Rules) -> tuple[Problem, ...]:
    if plan.obey_robots and rules.problem:
        return (Problem(code="robots_unreachable", message=rules.problem, field="obey_robots"),)
    if plan.obey_robots and not rules.allows(answer.url):
        words = (
            "The site's robots.txt forbids this page to crawlers. Ask whoever runs it to allow the "
            "user agent Tapedeck; if it is your own, switch “obey robots.txt” off."
        )
        return (Problem(code="robots_forbid", message=words, field="obey_robots"),)
    if "html" not in answer.content_type and answer.content_type:
        words = f"The start page is {answer.content_type}, not HTML. Begin at a page with links."
        return (Problem(code="not_a_page", message=words, field="url"),)
    return ()


def _about_scripts(plan: Plan) -> str:
    if plan.render == "never":
        return "The page is nearly empty without its scripts; set render to auto to read it."
    try:
        found = find_chromium()
    except BrowserNotFound as error:
        return f"The page is nearly empty without its scripts, and no browser is there: {error}"
    return f"The page is nearly empty without its scripts: Chromium {found.version} shows it."
