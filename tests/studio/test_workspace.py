"""Several pictures, the keyboard, settings, a network that is gone, and a server with a token."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, expect

from conftest import REPOSITORY
from studio.conftest import Server
from studio.tab import Studio

pytestmark = [pytest.mark.weights, pytest.mark.slow]

COFFEE = REPOSITORY / "examples/photos/coffee.jpg"
CUP, SPOON = (300, 190), (385, 300)
TOKEN = "a-token-for-this-test-alone"


@pytest.fixture
def mirrored(tmp_path: Path) -> Path:
    path = tmp_path / "mirrored.png"
    Image.open(COFFEE).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
    return path


def test_a_file_above_the_limit_is_refused_before_it_is_sent(
    chromium: Browser, own_server: Server, tmp_path: Path
) -> None:
    own_server.stop()
    own_server.start("--upload-limit-mb", "1")
    large = tmp_path / "large.bmp"
    Image.new("RGB", (1000, 1000)).save(large)
    studio = Studio(chromium.new_context().new_page(), own_server.url)
    studio.choose(large)
    alert = studio.page.get_by_role("alert").filter(has_text="large.bmp")
    expect(alert).to_contain_text("1 MB")
    studio.open(COFFEE)
    studio.page.context.close()


def test_each_picture_keeps_its_own_objects_and_history(studio: Studio, mirrored: Path) -> None:
    studio.open(COFFEE, mirrored)
    studio.click(*CUP)
    studio.save_object()
    studio.button("Next picture").click()
    studio.wait_ready()
    studio.wait_objects(0)
    assert studio.button("Undo").is_disabled()
    studio.button("Previous picture").click()
    studio.wait_objects(1)
    studio.button("Undo").click()
    studio.wait_objects(0)


def test_closing_a_picture_shows_the_next_and_at_last_the_empty_page(
    studio: Studio, mirrored: Path
) -> None:
    studio.open(COFFEE, mirrored)
    first = studio.page.evaluate("window.__anymask.imageId()")
    studio.button("Close picture").click()
    studio.wait_ready()
    assert studio.page.evaluate("window.__anymask.imageId()") not in {first, None}
    studio.button("Close picture").click()
    expect(studio.page.get_by_role("heading", name="Drop a picture here")).to_be_visible()


def test_there_is_nothing_to_export_before_a_mask_is_saved(studio: Studio, mirrored: Path) -> None:
    studio.open(COFFEE, mirrored)
    studio.click(*CUP)
    studio.button("Next picture").click()
    studio.wait_ready()
    studio.button("Export").click()
    dialog = studio.page.get_by_role("dialog")
    assert "0 objects" in dialog.inner_text()  # the mask of the other picture was not saved
    assert dialog.get_by_role("button", name="Download").is_disabled()


def test_the_keyboard_chooses_tools_saves_hides_and_deletes(studio: Studio) -> None:
    studio.open(COFFEE)
    studio.click(*CUP)
    press = studio.page.keyboard.press
    press("Enter")
    studio.wait_objects(1)
    press("b")
    assert studio.page.get_by_role("radio", name="Box", exact=True).is_checked()
    press("h")
    studio.click(*SPOON)
    press("Escape")
    assert studio.points() == []
    press("Control+z")
    assert studio.points() == [SPOON]
    press("Control+Shift+Z")
    assert studio.points() == []
    studio.objects()[0].click()
    studio.page.get_by_test_id("stage").focus()
    press("Delete")
    studio.wait_objects(0)


def test_a_letter_typed_into_a_name_is_no_shortcut(studio: Studio) -> None:
    studio.open(COFFEE)
    studio.click(*CUP)
    studio.save_object()
    name = studio.objects()[0].get_by_role("textbox", name="Name of")
    name.click()
    studio.page.keyboard.press("Control+a")
    studio.page.keyboard.type("box e?")
    name.blur()
    assert studio.page.evaluate("window.__anymask.objects()[0].name") == "box e?"
    assert studio.page.get_by_role("radio", name="Hover & Click", exact=True).is_checked()
    assert studio.page.get_by_role("dialog").count() == 0


def test_a_mask_being_worked_on_is_saved_when_another_object_is_chosen(studio: Studio) -> None:
    studio.open(COFFEE)
    studio.click(*CUP)
    studio.save_object()
    studio.click(*SPOON)
    studio.objects()[0].click()
    studio.wait_objects(2)
    assert studio.points() == [CUP]  # the prompts of the object that was chosen


def test_the_mask_is_seen_while_the_box_is_drawn(studio: Studio) -> None:
    studio.open(COFFEE)
    studio.tool("Box")
    blank = studio.pixels()
    studio.page.mouse.move(*studio.place(110, 20))
    studio.page.mouse.down()
    studio.page.mouse.move(*studio.place(480, 370), steps=4)
    studio.until_painted(blank, share=0.1)
    assert studio.answers() == 0
    studio.page.mouse.up()


def test_the_theme_is_chosen_and_kept(studio: Studio) -> None:
    theme = "() => document.documentElement.dataset.theme"
    assert studio.page.evaluate(theme) == "system"
    studio.button("Theme").click()
    studio.button("Theme").click()
    assert studio.page.evaluate(theme) == "dark"
    studio.page.reload()
    assert studio.page.evaluate(theme) == "dark"


def test_without_a_network_everything_about_an_open_picture_goes_on(
    studio: Studio, tmp_path: Path
) -> None:
    studio.open(COFFEE)
    studio.page.context.set_offline(True)
    studio.click(*CUP)
    studio.save_object()
    path = studio.download_all(tmp_path)
    assert path.stat().st_size > 1000
    studio.page.context.set_offline(False)


def test_a_server_with_a_token_is_used_by_whoever_has_its_address(
    chromium: Browser, own_server: Server
) -> None:
    own_server.stop()
    own_server.start("--token", TOKEN)
    context: BrowserContext = chromium.new_context()
    stranger = Studio(context.new_page(), own_server.url)
    alert = stranger.page.get_by_role("alert")
    expect(alert.filter(has_text=re.compile("token"))).to_be_visible()
    guest = Studio(chromium.new_context().new_page(), f"{own_server.url}#token={TOKEN}")
    assert TOKEN not in guest.page.evaluate("location.href")
    guest.open(COFFEE)
    guest.click(*CUP)
    assert guest.wait_mask().any()
    guest.page.context.close()
    context.close()
