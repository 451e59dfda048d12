"""The page for everybody: assistive technology, dark and light, narrow screens, no other host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from conftest import REPOSITORY
from studio.conftest import QUIET, Server
from studio.tab import Studio

pytestmark = [pytest.mark.weights, pytest.mark.slow]

COFFEE = REPOSITORY / "examples/photos/coffee.jpg"
AXE = REPOSITORY / "web/node_modules/axe-core/axe.min.js"
CUP = (300, 190)


@pytest.fixture(params=["light", "dark"])
def themed(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(color_scheme=request.param, bypass_csp=True)
    yield context
    context.close()


def violations(studio: Studio) -> list[str]:
    found = studio.page.evaluate("axe.run().then((result) => result.violations)")
    return [
        f"{one['id']}: {one['help']}: {[node['html'] for node in one['nodes']]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


def test_assistive_technology_finds_no_serious_obstacle(
    themed: BrowserContext, server: Server
) -> None:
    studio = Studio(themed.new_page(), server.url)
    studio.page.add_script_tag(path=AXE)
    assert violations(studio) == []
    studio.open(COFFEE)
    studio.click(*CUP)
    studio.save_object()
    assert violations(studio) == []
    studio.add_step("recolour")
    assert violations(studio) == []
    studio.button("Shortcuts").click()
    assert violations(studio) == []


def test_a_narrow_screen_has_every_tool_and_never_scrolls_sideways(
    chromium: Browser, server: Server
) -> None:
    context = chromium.new_context(viewport={"width": 375, "height": 667}, has_touch=True)
    studio = Studio(context.new_page(), server.url)
    studio.open(COFFEE)
    width = studio.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 375
    studio.click(*CUP)
    assert studio.wait_mask().any()
    for name in ("Hover & Click", "Box", "Everything", "Multi-mask", "Brush", "Eraser"):
        studio.tool(name)
    context.close()


def test_the_shortcuts_are_listed_in_a_dialog_that_escape_closes(studio: Studio) -> None:
    studio.button("Shortcuts").click()
    dialog = studio.page.get_by_role("dialog")
    assert "Undo" in dialog.inner_text()
    studio.page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")


def test_at_an_address_that_browsers_do_not_trust_one_thread_decodes_and_work_is_kept(
    chromium: Browser, chromium_path: str, own_server: Server
) -> None:
    own_server.stop()
    own_server.start("--allow-host", "studio.test")
    mapped = "--host-resolver-rules=MAP studio.test 127.0.0.1"
    browser = chromium.browser_type.launch(executable_path=chromium_path, args=[*QUIET, mapped])
    studio = Studio(browser.new_page(), f"http://studio.test:{own_server.port}/")
    assert studio.page.evaluate("[isSecureContext, crossOriginIsolated]") == [False, False]
    studio.open(COFFEE)
    studio.click(*CUP)
    mask = studio.wait_mask()
    studio.wait_saved()
    studio.page.reload()
    studio.wait_ready()
    studio.wait_mask_equal(mask)
    browser.close()
