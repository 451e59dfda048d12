"""Work is never lost: reload, crash, two tabs, a server that goes away."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext

from conftest import REPOSITORY
from studio.conftest import Server
from studio.tab import Studio

pytestmark = [pytest.mark.weights, pytest.mark.slow]

COFFEE = REPOSITORY / "examples/photos/coffee.jpg"
CUP, SPOON = (300, 190), (385, 300)


def test_a_reload_in_the_middle_brings_objects_and_the_draft_back(studio: Studio) -> None:
    studio.open(COFFEE)
    studio.click(*CUP)
    studio.save_object()
    studio.click(*SPOON)
    draft = studio.wait_mask()
    studio.wait_saved()
    studio.page.reload()
    studio.wait_ready()
    studio.wait_objects(1)
    studio.wait_mask_equal(draft)
    assert len(studio.points()) == 1


def test_a_closed_tab_is_restored_by_the_next(open_studio: Callable[[], Studio]) -> None:
    first = open_studio()
    first.open(COFFEE)
    first.click(*CUP)
    first.save_object()
    first.wait_saved()
    first.page.close()
    second = open_studio()
    second.accept_restore()
    second.wait_ready()
    second.wait_objects(1)


def test_two_tabs_keep_their_own_sessions(
    open_studio: Callable[[], Studio], tmp_path: Path
) -> None:
    other = tmp_path / "other.png"
    Image.open(COFFEE).transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(other)
    one = open_studio()
    one.open(COFFEE)
    one.click(*CUP)
    one.save_object()
    two = open_studio()
    two.open(other)
    two.click(300, 210)
    two.save_object()
    two.click(*SPOON)
    two.save_object()
    for tab in (one, two):
        tab.wait_saved()
    one.page.reload()
    two.page.reload()
    one.wait_ready()
    one.wait_objects(1)
    two.wait_ready()
    two.wait_objects(2)


def test_a_server_that_was_restarted_is_sent_the_picture_again(
    context: BrowserContext, own_server: Server
) -> None:
    studio = Studio(context.new_page(), own_server.url)
    studio.open(COFFEE)
    studio.click(*CUP)
    own_server.stop(signal.SIGKILL)
    studio.click(*SPOON)  # answered in the browser
    studio.save_object()
    own_server.start()
    studio.tool("Everything")
    studio.button("Find everything").click()
    studio.until("() => window.__anymask.everything().length > 3", timeout_seconds=120)
    studio.wait_objects(1)


def test_a_picture_opened_while_the_server_is_away_is_encoded_when_it_is_back(
    context: BrowserContext, own_server: Server
) -> None:
    studio = Studio(context.new_page(), own_server.url)
    studio.page.wait_for_load_state("networkidle")
    own_server.stop()
    studio.choose(COFFEE)
    studio.page.get_by_text("server", exact=False).first.wait_for()
    own_server.start()
    studio.wait_ready()
    studio.click(*CUP)
    assert studio.wait_mask().any()
