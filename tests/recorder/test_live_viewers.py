"""Who watches and who controls, and what pictures each gets."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import InvalidStatus

from recorder.session.tickets import issue
from tests.recorder.conftest import Record
from tests.recorder.live_client import LiveClient
from tests.recorder.session_process import KEY

pytestmark = pytest.mark.browser


async def test_a_ticket_admits_once_and_must_be_true(record: Record) -> None:
    async with record("second") as (session, _):
        address = (await session.line("started"))["address"]
        good = issue(key=KEY, viewer="v2", user="bo", control=True)
        for header in (
            None,
            "Bearer x",
            "Ticket x.y",
            issue(key="other", viewer="v", user="u", control=True),
            issue(key=KEY, viewer="v", user="u", control=True, ttl_s=-1),
            issue(key=KEY, viewer="v", user="u", control=True, ttl_s=10_000),
            good[:-1] + ("0" if good[-1] != "0" else "1"),
        ):
            headers = {"Authorization": header} if header else {}
            with pytest.raises(InvalidStatus, match="401"):
                await LiveClient(address, headers=headers).__aenter__()
        async with LiveClient(address, headers={"Authorization": good}):
            with pytest.raises(InvalidStatus, match="401"):
                await LiveClient(address, headers={"Authorization": good}).__aenter__()


async def test_one_controls_the_others_watch(record: Record) -> None:
    async with record("form") as (session, live):
        assert live.welcome["control"]["mine"] is True
        async with (
            await session.viewer("v2", user="bo") as second,
            await session.viewer("v3", user="cy", control=False) as third,
        ):
            assert second.welcome["control"]["mine"] is False
            for watcher in (second, third):
                with pytest.raises(Exception, match="not_in_control"):
                    await watcher.click(10, 10)
                with pytest.raises(Exception, match="control_refused"):
                    await watcher.call("takeControl")
            await live.click_on("h1")
            await second.step("click")
            await second.until(lambda: second.pictures)
            assert (await second.call("inspect", x=5, y=5))["element"]["tag"]
            with pytest.raises(Exception, match="control_refused"):
                await live.call("grantControl", viewer="v3")
            await live.call("grantControl", viewer="v2")
            with pytest.raises(Exception, match="not_in_control"):
                await live.click(10, 10)
            await second.click(10, 10)
            await second.call("releaseControl")
            await live.call("takeControl")
            told = live.of_type("control")[-1]
            assert told["holder"] == "v1"
            assert {one["viewer"] for one in told["viewers"]} == {"v1", "v2", "v3"}


async def test_a_dropped_viewer_returns_to_all_there_is(record: Record) -> None:
    async with record("form") as (session, live):
        await live.click_on("h1")
        await live.step("click")
        await live.until(lambda: live.pictures)
        await live.__aexit__()
        async with await session.viewer("v9", user="bo") as other:
            with pytest.raises(Exception, match="control_refused"):
                await other.call("takeControl")
        async with await session.viewer("v1b") as again:
            assert again.welcome["control"]["mine"] is True
            assert again.actions() == ["navigate", "click"]
            # Nothing changes on this page any more: what comes is the last picture there was.
            picture = (await again.until(lambda: again.pictures))[0]
            assert picture.jpeg.startswith(b"\xff\xd8")
            assert (picture.width, picture.height) == (1280, 720)
            await again.click_on("h1")


async def test_nothing_old_waits_for_a_slow_viewer(record: Record) -> None:
    async with (
        record("live") as (session, live),
        await session.viewer("slow", control=False, auto_ack=False) as slow,
    ):
        await slow.until(lambda: slow.pictures)
        for _ in range(12):
            await live.click_on("#toast")
        await live.until(lambda: len(live.pictures) >= 8, timeout_s=20)
        assert len(slow.pictures) <= 2
        newest = live.pictures[-1].number
        await slow.send("ack", id=slow.pictures[-1].number)
        held = len(slow.pictures)
        await slow.until(lambda: len(slow.pictures) > held)
        assert slow.pictures[held].number >= newest
        numbers = [one.number for one in live.pictures]
        assert numbers == sorted(set(numbers))


async def test_frames_follow_the_tab_in_front(record: Record) -> None:
    async with record("tabs") as (_, live):
        opened = await live.call("newPage")
        await live.until(lambda: live.pictures and live.pictures[-1].page == opened["page"])
        await live.call("selectPage", page="page")
        await live.until(lambda: live.pictures[-1].page == "page")
        assert [one["active"] for one in live.pages] == [True, False]


async def test_what_is_not_the_protocol_is_answered(record: Record) -> None:
    async with record("second") as (_, live):
        for raw, code in (
            ("nonsense", "Not JSON"),
            ("[]", "Not an object"),
            ('{"type": "fly"}', "Unknown type"),
            ('{"type": "mouse", "kind": "click", "x": "1", "y": 2}', "x: must be a number"),
            ('{"type": "mouse", "kind": "poke", "x": 1, "y": 2}', "kind: must be one of"),
            ('{"type": "mouse", "kind": "click", "x": NaN, "y": 2}', "x: must be a number"),
            ('{"type": "navigate"}', "url: is missing"),
            ('{"type": "key", "kind": "press", "key": "a", "modifiers": ["Hyper"]}', "modifiers"),
            (b"\x00\x01", "Binary"),
        ):
            seen = len(live.messages)
            await live.send_raw(raw)
            answer = await live.wait_for(lambda one: one["type"] == "error", after=seen)
            assert answer["code"] == "bad_message"
            assert code in answer["message"]
        await live.click_on("h1")


async def test_the_session_ends_for_everyone(record: Record) -> None:
    async with record("second") as (session, live):
        assert await session.stop() == 0
        await live.until(lambda: live.closed)
        assert live.of_type("ended")[-1]["reason"] == "stopped"
        assert live.close_code == 1000
        assert [one["phase"] for one in live.of_type("phase")] == ["saving"]


async def test_idle_sessions_save_themselves(record: Record) -> None:
    async with record("second", idle_timeout_s=1.5) as (session, live):
        assert await asyncio.wait_for(session.process.wait(), 20) == 0
        saved = await session.line("phase", fits=lambda one: one["phase"] == "saved")
        assert saved["endedBy"] == "idle"
        await live.until(lambda: live.closed)
