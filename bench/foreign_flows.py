"""What is done on each page that nobody here wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.foreign_sites import PASSWORD, USERNAME
from tests.recorder.live_client import LiveClient, LiveError

Drive = Callable[[LiveClient, str], Awaitable[None]]
# Longer than the recorder waits for a double click.
CLICK_S = 0.7


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One flow; `package` is the folder of the npm package, empty: the Django admin."""

    name: str
    what: str
    package: str
    path: str
    drive: Drive
    # Actions that the flow can not do without: a recording that lacks one is not whole.
    needs: tuple[str, ...] = ("click",)


def role(name: str, accessible: str) -> str:
    return f'internal:role={name}[name="{accessible}"i]'


async def fill(live: LiveClient, selector: str, text: str) -> None:
    await click(live, selector)
    await live.type(text)


async def click(live: LiveClient, selector: str, **fields: object) -> None:
    try:
        await live.click_on(selector, **fields)
    except LiveError:
        # A list that is drawn anew at every letter may be gone between looking and clicking, and a
        # page that hashes a password takes its time.
        await asyncio.sleep(CLICK_S)
        await live.click_on(selector, **fields)
    await asyncio.sleep(CLICK_S)


async def assert_text(live: LiveClient, selector: str, **fields: object) -> None:
    x, y = await live.at(selector)
    await live.call("assert", kind="text", x=x, y=y, **fields)


async def assert_visible(live: LiveClient, selector: str) -> None:
    x, y = await live.at(selector)
    await live.call("assert", kind="visible", x=x, y=y)


async def drag(live: LiveClient, start: str, end: str) -> None:
    """As a hand does it: pressed, moved in little steps, released."""
    from_x, from_y = await live.at(start)
    to_x, to_y = await live.at(end)
    await live.call("mouse", kind="move", x=from_x, y=from_y)
    await live.call("mouse", kind="down", x=from_x, y=from_y)
    for part in range(1, 11):
        x, y = from_x + (to_x - from_x) * part / 10, from_y + (to_y - from_y) * part / 10
        await live.call("mouse", kind="move", x=x, y=y)
        await asyncio.sleep(0.03)
    await live.call("mouse", kind="up", x=to_x, y=to_y)
    await asyncio.sleep(CLICK_S)


async def admin(live: LiveClient, url: str) -> None:
    await fill(live, 'internal:label="Username:"i', USERNAME)
    await fill(live, 'internal:label="Password:"i', PASSWORD)
    await live.press("Enter")
    await click(live, "css=.model-user .addlink")
    await fill(live, "css=#id_username", "zoe")
    await fill(live, "css=#id_password1", "another pass phrase 8")
    await fill(live, "css=#id_password2", "another pass phrase 8")
    await click(live, "css=[name=_save]")
    await fill(live, "css=#id_first_name", "Zoë")
    await fill(live, "css=#id_email", "zoe@example.com")
    await click(live, "css=#id_is_staff")
    await click(live, "css=[name=_save]")
    await assert_visible(live, "css=.messagelist .success")
    await click(live, role("link", "zoe"))
    await click(live, "css=.deletelink")
    await click(live, "css=form input[type=submit][value^=Yes]")
    await assert_visible(live, "css=.messagelist .success")


async def todomvc(live: LiveClient, url: str) -> None:
    entry = "css=#new-todo"
    await fill(live, entry, "Buy milk")
    await live.press("Enter")
    await asyncio.sleep(CLICK_S)
    await fill(live, entry, "Wash the car")
    await live.press("Enter")
    await asyncio.sleep(CLICK_S)
    await click(live, "css=#todo-list li:nth-child(1) .toggle")
    await assert_text(live, "css=#todo-count")
    await click(live, role("link", "Completed"))
    await assert_text(live, "css=#todo-list label >> visible=true")
    await click(live, role("link", "All"))
    x, y = await live.at("css=#todo-list li:nth-child(2) label")
    await live.call("mouse", kind="dblclick", x=x, y=y)
    await asyncio.sleep(CLICK_S)
    await live.type(" today")
    await live.press("Enter")
    await asyncio.sleep(CLICK_S)
    await live.call("hover", x=x, y=y)
    await click(live, "css=#todo-list li:nth-child(2) .destroy")
    await assert_text(live, "css=#todo-count")


async def jquery_ui(live: LiveClient, url: str) -> None:
    await click(live, "css=#tabs li:nth-child(2) a")
    await assert_text(live, "css=#tabs-2")
    await fill(live, "css=#autocomplete", "Ja")
    await click(live, "css=.ui-autocomplete .ui-menu-item >> nth=1")
    await click(live, "css=#datepicker .ui-datepicker-next")
    await click(live, "css=#datepicker td a >> nth=14")
    await drag(live, "css=#slider .ui-slider-handle >> nth=0", "css=#slider")
    await click(live, "css=#dialog-link")
    await click(live, role("button", "Cancel"))
    await click(live, "css=#accordion h3 >> nth=2")
    await assert_visible(live, "css=#accordion div[role=tabpanel] >> nth=2")


async def dragula(live: LiveClient, url: str) -> None:
    await drag(
        live,
        'internal:text="Moving them anywhere else"i',
        'internal:text="More interactive use cases"i',
    )
    await assert_text(live, "css=#right-defaults > div:nth-child(3)")
    await fill(live, 'internal:attr=[placeholder="See?"i]', "yes")


async def shoelace(live: LiveClient, url: str) -> None:
    await fill(live, 'internal:label="Name"i', "Ada")
    await click(live, "css=sl-select")
    await click(live, "css=sl-option[value=cat]")
    await click(live, "css=sl-checkbox")
    await click(live, "css=sl-rating")
    await click(live, "css=sl-tab[panel=advanced]")
    await click(live, role("button", "Open dialog"))
    await assert_visible(live, "css=sl-dialog [part~=panel]")
    await click(
        live,
        role("button", "Close"),
    )
    await click(live, role("button", "Send"))
    await assert_text(live, "css=#said")


async def flatpickr(live: LiveClient, url: str) -> None:
    await click(live, "css=#date")
    await click(live, "css=.flatpickr-next-month >> visible=true")
    await click(live, "css=.open .flatpickr-day:not(.prevMonthDay) >> nth=9")
    await click(live, "css=#range")
    await click(live, "css=.open .flatpickr-day:not(.prevMonthDay) >> nth=4")
    await click(live, "css=.open .flatpickr-day:not(.prevMonthDay) >> nth=8")
    await assert_visible(live, "css=#range")


async def sortable(live: LiveClient, url: str) -> None:
    await drag(live, 'internal:text="Item 1"i', 'internal:text="Item 3"i')
    await assert_text(live, "css=#list")


FLOWS = [
    Flow(
        name="Django admin",
        what="log in, add a user, change it, delete it",
        package="",
        path="/admin/",
        drive=admin,
        needs=("click", "fill", "check", "assert_visible"),
    ),
    *(
        Flow(
            name=f"TodoMVC {framework}",
            what="add two, tick, filter, edit by double click, delete by the button that hover shows",
            package="todomvc-0.1.1",
            path="/{package}/examples/" + framework + "/index.html",
            drive=todomvc,
            needs=("click", "fill", "press", "check", "hover", "assert_text"),
        )
        for framework in ("backbone", "angularjs", "vue", "react", "knockoutjs")
    ),
    Flow(
        name="jQuery UI demo page",
        what="tabs, autocomplete, inline date picker, slider, dialog, accordion",
        package="jquery-ui-dist-1.13.3",
        path="/{package}/index.html",
        drive=jquery_ui,
        needs=("click", "fill", "drag", "assert_text"),
    ),
    Flow(
        name="dragula demo page",
        what="drag between lists, type into an input of a draggable",
        package="dragula-3.7.3",
        path="/{package}/index.html",
        drive=dragula,
        needs=("drag", "fill", "assert_text"),
    ),
    Flow(
        name="Shoelace components",
        what="shadow DOM: input, select, checkbox, rating, tabs, dialog",
        package="shoelace-style-shoelace-2.20.1",
        path="/shoelace.html",
        drive=shoelace,
        needs=("click", "fill", "assert_text"),
    ),
    Flow(
        name="flatpickr",
        what="a date in the next month, a range",
        package="flatpickr-4.6.13",
        path="/flatpickr.html",
        drive=flatpickr,
        needs=("click", "assert_visible"),
    ),
    Flow(
        name="SortableJS",
        what="sort a list by dragging (HTML drag and drop)",
        package="sortablejs-1.15.7",
        path="/sortable.html",
        drive=sortable,
        needs=("drag", "assert_text"),
    ),
]
