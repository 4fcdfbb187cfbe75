"""Steps that the session makes itself stand behind those of the gestures before them."""

import pytest

pytestmark = pytest.mark.browser


async def test_an_assertion_at_once_after_a_click_is_a_step_behind_it(record):
    async with record("dialogs") as (_, live):
        x, y = await live.at("#said")
        await live.click_on("#modal")
        await live.call("assert", kind="visible", x=x, y=y)
        await live.click_on('internal:role=button[name="Cancel"i]')
        await live.call("hover", x=5, y=5)
        await live.call("reload")
        assert live.actions() == ["navigate", "click", "assert_visible", "click", "hover", "reload"]


async def test_typing_and_enter_stand_before_the_navigation_that_follows(record, sites):
    async with record("keys") as (_, live):
        await live.click_on('internal:label="Search"i')
        await live.type("tape")
        await live.press("Enter")
        await live.call("navigate", url=sites.page("second"))
        assert live.actions() == ["navigate", "click", "fill", "press", "navigate"]
