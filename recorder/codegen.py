"""A pytest-playwright test from typed steps. It runs without Tapedeck.

Nothing that the page or Playwright's recorder calls code gets in here: calls and names come
from `recorder.statements`, everything recorded is a quoted literal, and the finished file
passes `recorder.allowlist` before anyone stores or runs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recorder import allowlist, layout
from recorder.selectors import quote, shorten
from recorder.statements import Flow, StepRefused, statements, web_url
from recorder.steps import Action, Step
from recorder.vault import header_secrets
from recorder.wording import wording

AUTH_STATE = "auth_state.json"
# Option of a recording → argument of a browser context, where the value passes as it is.
_CONTEXT = {
    "viewport": "viewport",
    "locale": "locale",
    "timezone": "timezone_id",
    "color_scheme": "color_scheme",
    "geolocation": "geolocation",
    "permissions": "permissions",
    "user_agent": "user_agent",
    "ignore_https_errors": "ignore_https_errors",
    "bypass_csp": "bypass_csp",
}


def generate(
    *,
    steps: Sequence[Step],
    flow_name: str,
    url: str,
    options: Mapping[str, Any],
    wordings: Mapping[str, str] | None = None,
) -> str:
    """The test file for `steps` (the kept ones, in order).

    Above each step's statements stands `# step N: <wording>`; `wordings` holds people's own
    words by step key. N is `numbered`'s. A forged or unrecorded step leaves a comment only. A
    step that can not be repeated becomes a `pytest.fail` that says why, so that no test passes
    by leaving it out. `options` are the recording's, opened or not; their secrets are never written,
    only their names.

    :raises recorder.allowlist.NotAllowed: a defect of this module; nothing may run the code.
    """
    flow = Flow()
    body: list[str] = []
    if not _opens_itself(steps):
        body += ["# start", *_opening(url)]
    numbers = {key: number for number, key in numbered(steps)}
    for step in steps:
        words = shorten((wordings or {}).get(step.key) or wording(step), 200)
        body += [""] if body else []
        body += _step(step, number=numbers.get(step.key), flow=flow, words=words)
    if all(not line or line.startswith("#") for line in body):
        body.append("pass")
    context = _context_arguments(options, flow)
    code = layout.assemble(
        title=shorten(flow_name, 120) or "Recorded flow",
        url=url,
        name=function_name(flow_name),
        body=body,
        context=context,
        secrets=sorted(flow.secrets),
        reads_files=any("HERE / " in line for line in [*body, *context]),
    )
    allowlist.check(code)
    return code


def numbered(steps: Iterable[Step]) -> list[tuple[int, str]]:
    """(number, key) of the steps that become code, numbers from 1 without gaps."""
    kept = [step.key for step in steps if not is_left_out(step)]
    return list(enumerate(kept, 1))


def is_left_out(step: Step) -> bool:
    """Whether `step` is shown but never generated: forged, or a gesture that was not recorded."""
    return step.action == Action.UNRECORDED or bool({"forged", "unrecorded"} & set(step.flags))


def function_name(flow_name: str) -> str:
    """The test function's name (and the file's, with `.py`) for a flow."""
    words = re.sub(r"[^a-z0-9]+", "_", flow_name.lower()).strip("_")[:80].rstrip("_")
    return f"test_{words or 'recorded_flow'}"


def file_name(flow_name: str) -> str:
    return f"{function_name(flow_name)}.py"


def _opens_itself(steps: Sequence[Step]) -> bool:
    """Whether the first step that becomes code opens an address on the first page."""
    for step in steps:
        if is_left_out(step):
            continue
        opens = step.action in {Action.NAVIGATE, Action.OPEN_PAGE} and step.page == "page"
        return opens and step.params.get("url") not in {None, "", "about:blank"}
    return False


def _opening(url: str) -> list[str]:
    try:
        return [f"page.goto({quote(web_url(url))})"]
    except StepRefused as error:
        return [_failure(f"The recording has no start: {error}")]


def _step(step: Step, *, number: int | None, flow: Flow, words: str) -> list[str]:
    if number is None:
        why = "matches no input" if "forged" in step.flags else "not recorded"
        return [f"# left out ({why}): {words}"]
    head = f"# step {number}: {words}"
    try:
        return [head, *statements(step, position=number, flow=flow)]
    except StepRefused as error:
        return [head, _failure(f"Step {number} can not be repeated. {error}")]


def _failure(why: str) -> str:
    return f"pytest.fail({quote(shorten(why, 300))}, pytrace=False)"


def _context_arguments(options: Mapping[str, Any], flow: Flow) -> list[str]:
    """`"name": value` of each context argument that the recording's options set."""
    given = {name: options.get(option) for option, name in _CONTEXT.items()}
    arguments = [f"{quote(name)}: {literal(value)}" for name, value in given.items() if value]
    device = options.get("device")
    if device:
        arguments.insert(0, f"**playwright.devices[{quote(str(device))}]")
    if options.get("http_credentials"):
        # Both by name: in stored options the user's name is sealed as well.
        flow.secrets |= {"HTTP_USERNAME", "HTTP_PASSWORD"}
        pair = '{"username": HTTP_USERNAME, "password": HTTP_PASSWORD}'
        arguments.append(f'"http_credentials": {pair}')
    headers = header_secrets(options.get("extra_headers") or {})
    if headers:
        flow.secrets.update(headers.values())
        pairs = ", ".join(f"{quote(header)}: {name}" for header, name in headers.items())
        arguments.append(f'"extra_http_headers": {{{pairs}}}')
    if options.get("auth_state"):
        # The recording started signed in; its test does, from a file beside it.
        arguments.append(f'"storage_state": HERE / {quote(AUTH_STATE)}')
    return arguments


def literal(value: object) -> str:
    """A Python literal for a value that JSON could hold.

    :raises TypeError: anything else.
    """
    if isinstance(value, str):
        return quote(value)
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{quote(str(key))}: {literal(item)}" for key, item in value.items())
        return f"{{{pairs}}}"
    if isinstance(value, Sequence):
        return f"[{', '.join(literal(inner) for inner in value)}]"
    raise TypeError(f"{type(value).__name__} is no literal.")
