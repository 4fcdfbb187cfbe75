"""What an operator does in a page, driven through the public websocket protocol alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.recorder.conftest import Record
from tests.recorder.session_process import SessionProcess
from tests.sites import Sites

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

BUTTON = 'internal:role=button[name="{}"i]'


def button(name: str) -> str:
    return BUTTON.format(name)


async def test_a_form_becomes_steps(visit: Record) -> None:
    async with visit("form") as (_, live):
        await live.click_on('input[name="name"]')
        await live.type("Ada")
        await live.press("Tab")
        await live.call("text", text="ada@example.com")
        await live.click_on('input[value="pro"]')
        await live.click_on('input[name="terms"]')
        await live.click_on("textarea")
        await live.call("text", text="Zwölf 🔋")
        fill = await live.step("fill", text="Ada")
        assert fill["selector"] == 'internal:role=textbox[name="Full name"i]'
        assert fill["element"]["tag"] == "input"
        assert fill["page"] == "page"
        assert fill["url"].endswith("/form")
        await live.step("press", key="Tab")
        await live.step("fill", text="ada@example.com")
        await live.step("fill", text="Zwölf 🔋")
        checks = [one["selector"] for one in live.kept() if one["action"] == "check"]
        assert checks == [
            'internal:role=radio[name="Pro"i]',
            'internal:role=checkbox[name="I accept the terms"i]',
        ]
        assert not [one for one in live.kept() if one["flags"]]
        keys = [step["key"] for step in live.kept()]
        assert keys == sorted(set(keys), key=lambda key: int(key[1:]))


async def test_every_step_has_its_evidence(visit: Record) -> None:
    async with visit("form") as (session, live):
        await live.click_on('input[name="name"]')
        step = await live.step("click")
        await live.until(lambda: live.steps[step["key"]]["step"]["screenshot"])
        done = live.steps[step["key"]]["step"]
        assert done["screenshot"] == f"steps/{live.steps[step['key']]['position']:04}.png"
        assert (session.folder / done["screenshot"]).read_bytes().startswith(b"\x89PNG")
        assert 'internal:label="Full name"i' in done["alternatives"]
        assert done["at"].endswith("+00:00")
        html = session.folder / done["screenshot"].replace("steps", "dom").replace("png", "html")
        assert "Sign up" in html.read_text()


async def test_a_double_click_is_one_step(visit: Record) -> None:
    async with visit("form") as (_, live):
        x, y = await live.at("h1")
        await live.call("mouse", kind="dblclick", x=x, y=y)
        step = await live.step("click", click_count=2)
        assert step["params"]["button"] == "left"
        assert live.actions().count("click") == 1


async def test_frames_within_frames_and_of_another_site(visit: Record) -> None:
    async with visit("frames") as (_, live):
        for frame in (
            'iframe[title="Outer frame"] >> internal:control=enter-frame >> iframe',
            'iframe[name="other"]',
        ):
            inside = f"{frame} >> internal:control=enter-frame >> "
            await live.click_on(inside + "input")
            await live.type("hi")
            await live.click_on(inside + "#send")
        clicks = await live.until(
            lambda: (
                [
                    one
                    for one in live.kept()
                    if one["action"] == "click" and "Send" in one["selector"]
                ][1:]
                and [
                    one
                    for one in live.kept()
                    if one["action"] == "click" and "Send" in one["selector"]
                ]
            )
        )
        assert clicks[0]["selector"].count("enter-frame") == 2
        assert clicks[1]["selector"].startswith(
            'iframe[name="other"] >> internal:control=enter-frame'
        )
        assert not [one for one in live.kept() if one["flags"]]


async def test_shadow_dom(visit: Record) -> None:
    async with visit("shadow") as (_, live):
        await live.click_on('internal:role=textbox[name="Your name"i]')
        await live.type("Bo")
        await live.click_on(button("Greet"))
        await live.step("fill", text="Bo")
        assert (await live.step("click", selector=button("Greet")))["element"]["name"] == "Greet"
        x, y = await live.at('text="Hello, Bo!"')
        answer = await live.call("assert", kind="text", x=x, y=y)
        step = live.steps[answer["key"]]["step"]
        assert step["params"]["text"] == "Hello, Bo!"


async def test_a_native_list_is_the_consoles(visit: Record) -> None:
    async with visit("selects") as (_, live):
        await live.click_on('select[name="country"]')
        asked = await live.wait_for(lambda one: one["type"] == "selectRequested")
        assert {
            "value": "kr",
            "label": "Korea",
            "selected": False,
            "disabled": True,
            "group": "Asia",
        } in asked["options"]
        with pytest.raises(Exception, match="unfit_answer"):
            await live.call("select", requestId=asked["requestId"], values=["mars"])
        await live.call("select", requestId=asked["requestId"], values=["de"])
        step = await live.step("select", options=["de"])
        assert step["element"]["role"] == "combobox"
        await live.click_on('option[value="m"]')
        await live.step("select", options=["m"])


async def test_pickers_are_the_consoles(visit: Record) -> None:
    async with visit("pickers") as (_, live):
        for name, value in (
            ("date", "2026-05-01"),
            ("time", "13:30"),
            ("month", "2026-07"),
            ("week", "2026-W20"),
            ("colour", "#00ff00"),
            ("moment", "2026-05-01T10:00"),
        ):
            seen = len(live.messages)
            await live.click_on(f'input[name="{name}"]')
            asked = await live.wait_for(lambda one: one["type"] == "pickerRequested", after=seen)
            await live.call("fillPicker", requestId=asked["requestId"], value=value)
            await live.step("fill", text=value)
            said = await live.at(f'text="{name} = {value}"')
            assert said[0] > 0


async def test_uploads_keep_the_file(visit: Record) -> None:
    async with visit("upload") as (session, live):
        await live.click_on('input[name="several"]')
        asked = await live.wait_for(lambda one: one["type"] == "uploadRequested")
        assert asked["multiple"] is True
        assert asked["accept"] == "image/*,.txt"
        await live.upload(
            asked["requestId"],
            ("../../a b.txt", "text/plain", b"one"),
            ("c.txt", "text/plain", b"two"),
        )
        step = await live.step("upload")
        assert step["params"]["files"] == ["uploads/a b.txt", "uploads/c.txt"]
        assert (session.folder / "uploads/a b.txt").read_bytes() == b"one"
        seen = len(live.messages)
        await live.click_on(button("Attach…"))
        asked = await live.wait_for(lambda one: one["type"] == "uploadRequested", after=seen)
        await live.upload(asked["requestId"], ("d.txt", "text/plain", b"three"))
        await live.step("upload", files=["uploads/d.txt"])
        assert await live.at('text="Attached d.txt"')


@pytest.mark.parametrize(
    ("which", "answer", "says", "signal"),
    [
        (
            "Alert",
            {"accept": True},
            "Alert closed",
            {"kind": "alert", "accepted": True, "message": "Mind the gap"},
        ),
        (
            "Confirm",
            {"accept": False},
            "Kept",
            {"kind": "confirm", "accepted": False, "message": "Delete everything?"},
        ),
        (
            "Prompt",
            {"accept": True, "text": "Bo"},
            "Hello Bo",
            {"kind": "prompt", "accepted": True, "message": "Your name?", "text": "Bo"},
        ),
    ],
)
async def test_dialogs_are_answered_by_the_operator(
    visit: Record, which: str, answer: dict[str, object], says: str, signal: dict[str, object]
) -> None:
    async with visit("dialogs") as (_, live):
        x, y = await live.at(f'button >> text="{which}"')
        await live.send("mouse", kind="click", x=x, y=y)
        asked = await live.wait_for(lambda one: one["type"] == "dialogOpened")
        await live.call("dialog", requestId=asked["requestId"], **answer)
        await live.wait_for(lambda one: one["type"] == "dialogClosed")
        assert await live.at(f'text="{says}"')
        step = await live.step("click", selector=button(which))
        await live.until(lambda: live.steps[step["key"]]["step"]["signals"])
        assert live.steps[step["key"]]["step"]["signals"] == [{"name": "dialog", "params": signal}]


async def test_popups_and_tabs(record: Record) -> None:
    async with record("tabs") as (_, live):
        await live.click_on(button("Open popup") + " >> nth=0")
        await live.until(
            lambda: [one for one in live.pages if one["alias"] == "page1" and one["active"]]
        )
        click = await live.step("click")
        assert click["element"]["name"] == "Open popup"
        await live.until(lambda: live.steps[click["key"]]["step"]["signals"])
        assert live.steps[click["key"]]["step"]["signals"][0] == {
            "name": "popup",
            "params": {"page": "page1"},
        }
        await live.click_on("input")
        await live.type("red")
        assert (await live.step("fill", text="red"))["page"] == "page1"
        await live.click_on(button("Choose and close"))
        await live.until(lambda: [one["alias"] for one in live.pages] == ["page"])
        opened = await live.call("newPage", url=live.pages[0]["url"])
        assert opened["page"] == "page2"
        await live.call("selectPage", page="page")
        await live.call("closePage", page="page2")
        await live.step("close_page", page="page2")
        assert (await live.step("open_page"))["page"] == "page2"


async def test_history_and_the_address_bar(record: Record, sites: object) -> None:
    async with record("second") as (_, live):
        host = live.pages[0]["url"].split("/")[2]
        await live.call("navigate", url=f"{host}/form")
        await live.call("back")
        await live.call("forward")
        answer = await live.call("reload")
        assert answer["url"].endswith("/form")
        assert live.actions() == ["navigate", "navigate", "go_back", "go_forward", "reload"]
        assert live.kept()[1]["params"] == {"url": f"http://{host}/form"}


async def test_keys_and_shortcuts(visit: Record) -> None:
    async with visit("keys") as (_, live):
        await live.click_on("h1")
        await live.press("k", "Control")
        await live.press("ArrowDown")
        await live.press("ArrowDown")
        await live.press("Enter")
        assert await live.at('text="Ran Open"')
        await live.step("press", key="Enter")
        assert [one["params"]["key"] for one in live.kept() if one["action"] == "press"] == [
            "Control+k", "ArrowDown", "ArrowDown", "Enter"]  # fmt: skip


async def test_hover_drag_and_right_click_are_steps(visit: Record) -> None:
    async with visit("drag") as (_, live):
        start, end = await live.at('text="Alpha"'), await live.at('text="Charlie"')
        await live.call(
            "drag",
            **{
                "from": dict(zip("xy", start, strict=True)),
                "to": dict(zip("xy", end, strict=True)),
            },
        )
        step = await live.step("drag")
        assert "Alpha" in step["selector"]
        assert "Charlie" in step["params"]["target"]
        card, done = await live.at('text="Paint"'), await live.at("#done")
        await live.call("mouse", kind="down", x=card[0], y=card[1])
        for part in (0.2, 0.6, 1.0):
            x, y = (one + (other - one) * part for one, other in zip(card, done, strict=True))
            await live.call("mouse", kind="move", x=x, y=y)
        await live.call("mouse", kind="up", x=done[0], y=done[1])
        assert await live.at('text="Moved Paint to Done"')
        await live.until(lambda: live.actions().count("drag") == 2)
        x, y = await live.at("h1")
        await live.call("hover", x=x, y=y)
        assert (await live.step("hover"))["element"]["role"] == "heading"
        await live.click(x, y, button="right")
        assert (await live.step("click", button="right"))["source"] == "console"
        slider = await live.at('input[type="range"]')
        await live.call("mouse", kind="down", x=slider[0] - 20, y=slider[1])
        await live.call("mouse", kind="move", x=slider[0] + 40, y=slider[1])
        await live.call("mouse", kind="up", x=slider[0] + 40, y=slider[1])
        assert (await live.step("fill"))["element"]["role"] == "slider"
        assert live.actions().count("drag") == 2
        assert not [one for one in live.kept() if one["flags"]]


async def test_scrolling_is_a_step_only_where_the_page_grew(visit: Record) -> None:
    async with visit("scroll") as (_, live):
        await live.call("wheel", x=300, y=400, dx=0, dy=150)
        await live.click_on("#box")
        assert "scroll" not in live.actions()
        for _ in range(4):
            await live.call("wheel", x=600, y=400, dx=0, dy=900)
        step = await live.step("scroll")
        assert step["params"]["dy"] >= 900


async def test_assertions_take_what_the_page_shows(visit: Record) -> None:
    async with visit("form") as (_, live):
        await live.click_on('input[name="name"]')
        await live.type("Ada")
        x, y = await live.at('input[name="name"]')
        await live.call("assert", kind="value", x=x, y=y)
        assert (await live.step("assert_value"))["params"] == {"text": "Ada"}
        x, y = await live.at("h1")
        await live.call("assert", kind="text", x=x, y=y, expected="Sign")
        assert (await live.step("assert_text"))["params"] == {"text": "Sign", "substring": True}
        await live.call("assert", kind="visible", x=x, y=y)
        x, y = await live.at('input[value="free"]')
        await live.call("assert", kind="checked", x=x, y=y)
        assert (await live.step("assert_checked"))["params"] == {"checked": True}
        await live.call("assert", kind="url")
        assert (await live.step("assert_url"))["params"]["url"].endswith("/form")
        with pytest.raises(Exception, match="no_value"):
            await live.call("assert", kind="value", x=5, y=5)


async def test_pausing_leaves_no_steps(visit: Record) -> None:
    async with visit("form") as (_, live):
        await live.click_on('input[name="name"]')
        await live.call("pause")
        before = len(live.steps)
        await live.type("x")
        await live.press("Tab")
        await live.click_on(button("Start over"))
        await live.call("resume")
        await live.click_on("h1")
        await live.until(lambda: len(live.steps) > before)
        assert live.actions() == ["navigate", "click", "click"]
        assert [one["phase"] for one in live.of_type("phase")] == ["paused", "recording"]


async def test_steps_are_reworded_deleted_and_restored(visit: Record) -> None:
    async with visit("form") as (session, live):
        await live.click_on("h1")
        key = (await live.step("click"))["key"]
        await live.call("editStep", key=key, wording="Focus the title")
        await live.call("deleteStep", key=key)
        assert "click" not in live.actions()
        await live.call("restoreStep", key=key)
        assert live.actions() == ["navigate", "click"]
        assert live.steps[key]["wording"] == "Focus the title"
        ops = [
            one["op"]
            for one in session.lines
            if one["type"] == "step" and one["step"]["key"] == key
        ]
        assert [one for one in ops if one != "updated"] == ["added", "removed", "restored"]
        with pytest.raises(Exception, match="unknown_step"):
            await live.call("deleteStep", key="nope")


async def test_a_shortcut_of_the_page_is_a_step(visit: Record) -> None:
    async with visit("keys") as (_, live):
        await live.click_on("h1")
        await live.press("?")
        assert await live.at('text="Help is on its way"')
        step = await live.step("press", key="?")
        assert (step["source"], step["selector"], step["flags"]) == ("console", "", [])
        assert live.actions() == ["navigate", "click", "press"]
        await live.until(lambda: live.steps[step["key"]]["step"]["screenshot"])


async def test_a_gesture_that_leaves_nothing_is_told(record: Record) -> None:
    async with record("deaf") as (_, live):
        await live.click_on("h1")
        told = await live.wait_for(lambda one: one["type"] == "unrecorded", timeout_s=20)
        assert told["gesture"].startswith("left click at ")
        assert (await live.step("unrecorded"))["flags"] == ["unrecorded"]


async def test_passwords_never_leave_the_process(record: Record) -> None:
    async with record("secrets") as (session, live):
        await live.click_on('input[type="password"]')
        await live.type("hunter2!")
        await live.press("Enter")
        step = await live.step("fill")
        assert step["params"] == {"text": {"secret": "PASSWORD_1"}}
        await live.step("press", key="Enter")
        await session.stop()
        leaks = [one for one in session.lines + live.messages if "hunter2" in str(one)]
        assert not leaks, leaks[:2]
        assert "hunter2" not in (session.folder / "steps.json").read_text()
        assert "hunter2" not in session.errors()
        from recorder.vault import Vault

        assert Vault.read(session.folder / "vault", key=session.vault_key).values == {
            "PASSWORD_1": "hunter2!"
        }


async def test_stopped_at_once_it_still_begins_with_its_page(sites: Sites, tmp_path: Path) -> None:
    async with SessionProcess(sites.page("second"), tmp_path / "work") as session:
        assert await session.stop() == 0
        steps = json.loads((session.folder / "steps.json").read_text())["steps"]
        assert [one["step"]["action"] for one in steps] == ["navigate"]
        assert steps[0]["step"]["screenshot"] == "steps/0001.png"
        assert json.loads((session.folder / "network.har").read_text())["log"]["entries"]
        phases = [one["phase"] for one in session.lines if one["type"] == "phase"]
        assert phases == ["recording", "saving", "saved"]


async def test_each_step_shows_the_page_right_after_it(record: Record, sites: Sites) -> None:
    async with record("form") as (session, live):
        await live.click_on('input[name="name"]')
        await live.type("Ada")
        await live.click_on('input[name="news"]')
        # At once: a picture taken when the recorder tells of the click would show this page.
        await live.call("navigate", url=sites.page("second"))
        await live.until(lambda: all(one["screenshot"] for one in live.kept()))
        box = await live.step("check")
        assert await session.stop() == 0
        kept = live.kept()
        assert [one["action"] for one in kept] == ["navigate", "click", "fill", "check", "navigate"]
        shown = [(session.folder / one["screenshot"]).read_bytes() for one in kept]
        assert len(set(shown)) == len(shown)
        doms = [(session.folder / f"dom/{number:04}.html").read_text() for number in range(1, 6)]
        assert ["Sign up" in dom for dom in doms] == [True, True, True, True, False]
        assert box["alternatives"]
