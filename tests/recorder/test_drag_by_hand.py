"""Drags made by pressing, moving and releasing, where the page sorts itself under the hand."""

import asyncio

import pytest

pytestmark = pytest.mark.browser


async def test_a_list_that_sorts_itself_is_dragged_onto_what_was_there_before(record):
    async with record("drag") as (_, live):
        from_x, from_y = await live.at('internal:text="Alpha"i')
        to_x, to_y = await live.at('internal:text="Charlie"i')
        await live.call("mouse", kind="move", x=from_x, y=from_y)
        await live.call("mouse", kind="down", x=from_x, y=from_y)
        for part in range(1, 9):
            x, y = from_x + (to_x - from_x) * part / 8, from_y + (to_y - from_y) * part / 8
            await live.call("mouse", kind="move", x=x, y=y)
            await asyncio.sleep(0.02)
        await live.call("mouse", kind="up", x=to_x, y=to_y)
        step = await live.step("drag")
        assert "Alpha" in step["selector"]
        assert "Charlie" in step["params"]["target"]
        assert "unrecorded" not in live.actions()


async def test_a_drag_that_ends_where_it_began_is_one_by_a_distance(record):
    async with record("drag") as (_, live):
        rect = (await live.call("locate", selector="h1"))["rect"]
        y = rect["y"] + rect["height"] / 2
        await live.call("mouse", kind="down", x=rect["x"] + 200, y=y)
        await live.call("mouse", kind="move", x=rect["x"] + 260, y=y)
        await live.call("mouse", kind="up", x=rect["x"] + 260, y=y)
        step = await live.step("drag")
        assert step["params"]["by"] == {"x": 60, "y": 0}
        assert step["params"]["source_position"]["x"] == 200


async def test_a_click_forged_after_a_drag_is_flagged(record):
    async with record("hostile-drag") as (_, live):
        rect = (await live.call("locate", selector="h1"))["rect"]
        y = rect["y"] + rect["height"] / 2
        await live.call("mouse", kind="down", x=rect["x"] + 200, y=y)
        await live.call("mouse", kind="move", x=rect["x"] + 260, y=y)
        await live.call("mouse", kind="up", x=rect["x"] + 260, y=y)
        await live.step("drag")
        forged = await live.step("unrecorded", gesture="click on #far")
        assert forged["flags"] == ["forged"]
        assert "click" not in live.actions()
