"""Clicks, boxes and candidates in the page, beside what Python answers to the same prompts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.inference.segment import Model
from anymask.types.prompt import Prompt
from conftest import REPOSITORY
from studio.tab import Studio, iou

pytestmark = [pytest.mark.weights, pytest.mark.slow]

COFFEE = REPOSITORY / "examples/photos/coffee.jpg"
CUP, SPOON, TABLE = (300, 190), (385, 300), (80, 40)
BOX = (110, 20, 480, 370)


def test_the_mask_follows_the_pointer_before_the_first_click(studio: Studio) -> None:
    studio.open(COFFEE)
    studio.hover(*CUP)
    cup = studio.wait_mask()
    studio.hover(*TABLE)
    studio.until(
        "before => window.__anymask.currentMask().bits.reduce((a, b) => a + b, 0) !== before",
        arg=int(cup.sum()),
    )
    studio.page.mouse.move(2, 2)
    studio.wait_no_mask()


def test_a_click_on_a_wide_photo_gives_the_mask_that_python_gives(
    studio: Studio, light_model: Model
) -> None:
    studio.open(COFFEE)
    studio.click(*CUP)
    ours = light_model.segment(COFFEE, Prompt(points=[CUP])).array[0]
    assert iou(studio.wait_mask(), ours) >= 0.99


def test_a_click_on_a_tall_photo_gives_the_mask_that_python_gives(
    studio: Studio, light_model: Model, tmp_path: Path
) -> None:
    path = tmp_path / "tall.png"
    Image.open(COFFEE).rotate(90, expand=True).resize((301, 487)).save(path)
    studio.open(path)
    studio.click(150, 250)
    ours = light_model.segment(path, Prompt(points=[(150, 250)])).array[0]
    assert iou(studio.wait_mask(), ours) >= 0.99


def test_later_clicks_refine_the_mask_with_the_logits_of_the_former(
    studio: Studio, light_model: Model
) -> None:
    studio.open(COFFEE)
    encoded = light_model.encode(COFFEE)
    studio.click(*CUP)
    first = light_model.segment(encoded, Prompt(points=[CUP]))
    studio.click(*SPOON)
    both = Prompt(points=[CUP, SPOON], mask_logits=first.low_res_logits[0])
    second = light_model.segment(encoded, both)
    assert iou(studio.wait_mask(), second.array[0]) >= 0.99


@pytest.mark.parametrize("how", ["right button", "shift", "toggle"])
def test_a_click_can_remove(studio: Studio, light_model: Model, how: str) -> None:
    studio.open(COFFEE)
    studio.click(*CUP)
    encoded = light_model.encode(COFFEE)
    first = light_model.segment(encoded, Prompt(points=[CUP]))
    if how == "right button":
        studio.click(*SPOON, button="right")
    elif how == "shift":
        with studio.holding("Shift"):
            studio.click(*SPOON)
    else:
        studio.tool("Remove Area")
        studio.click(*SPOON)
    prompt = Prompt(points=[CUP, SPOON], labels=[1, 0], mask_logits=first.low_res_logits[0])
    ours = light_model.segment(encoded, prompt).array[0]
    assert iou(studio.wait_mask(), ours) >= 0.99


def test_a_dragged_box_gives_the_mask_that_python_gives(studio: Studio, light_model: Model) -> None:
    studio.open(COFFEE)
    studio.tool("Box")
    before = studio.answers()
    studio.drag(BOX[:2], BOX[2:])
    studio.wait_answer(before)
    ours = light_model.segment(COFFEE, Prompt(box=studio.box())).array[0]
    assert np.abs(np.subtract(studio.box(), BOX)).max() <= 2  # the screen has coarser pixels
    assert iou(studio.wait_mask(), ours) >= 0.99


def test_a_box_is_refined_by_clicks_and_grows_to_hold_them(
    studio: Studio, light_model: Model
) -> None:
    studio.open(COFFEE)
    studio.tool("Box")
    before = studio.answers()
    studio.drag((150, 60), (420, 300))
    studio.wait_answer(before)
    studio.click(450, 200)
    x0, y0, x1, y1 = studio.box()
    assert x0 <= 450 <= x1
    assert y0 <= 200 <= y1
    point = studio.points()[0]
    prompt = Prompt(points=[point], box=(x0, y0, x1, y1))
    ours = light_model.segment(COFFEE, prompt).array[0]
    assert iou(studio.wait_mask(), ours) >= 0.99


def test_three_candidates_stand_side_by_side_and_one_is_picked(
    studio: Studio, light_model: Model
) -> None:
    studio.open(COFFEE)
    studio.tool("Multi-mask")
    studio.click(*CUP)
    group = studio.page.get_by_role("radiogroup", name="Candidates")
    candidates = group.get_by_role("radio")
    assert candidates.count() == 3
    ours = light_model.segment(COFFEE, Prompt(points=[CUP]))
    found = []
    for number in range(3):
        candidates.nth(number).check(force=True)
        found.append(studio.wait_mask())
    for mask in ours.candidates(0).array:
        assert max(iou(one, mask) for one in found) >= 0.98


def test_everything_is_found_highlighted_and_picked(studio: Studio) -> None:
    studio.open(COFFEE)
    studio.tool("Everything")
    studio.button("Find everything").click()
    studio.until("() => window.__anymask.everything().length > 3", timeout_seconds=120)
    studio.hover(*CUP)
    studio.wait_mask()
    studio.page.mouse.click(*studio.place(*CUP))
    studio.wait_objects(1)


def test_everything_can_be_cancelled(studio: Studio) -> None:
    studio.open(COFFEE)
    studio.tool("Everything")
    studio.button("Find everything").click()
    studio.button("Cancel").click()
    studio.page.get_by_role("button", name="Find everything").wait_for()
    assert studio.page.evaluate("window.__anymask.everything().length") == 0


@pytest.mark.usefixtures("offline_scorer")
def test_what_a_phrase_names_is_found_and_kept_by_its_name(studio: Studio) -> None:
    studio.open(COFFEE)
    studio.tool("Everything")
    field = studio.page.get_by_role("textbox", name="Find by words")
    field.fill("a cup, a zebra")
    field.press("Enter")
    studio.until("() => window.__anymask.everything().length > 0", timeout_seconds=120)
    assert field.input_value() == "a cup, a zebra"
    studio.hover(*CUP)
    studio.wait_mask()
    studio.page.mouse.click(*studio.place(*CUP))
    studio.wait_objects(1)
    (cup,) = studio.page.evaluate("window.__anymask.objects()")
    assert cup["name"] == "a cup"


def test_brush_and_eraser_touch_a_mask_up(studio: Studio) -> None:
    studio.open(COFFEE)
    studio.click(*CUP)
    before = studio.wait_mask()
    studio.tool("Brush")
    studio.drag((20, 20), (120, 20))
    painted = studio.mask()
    assert painted is not None
    assert painted[20, 30:110].all()
    assert (painted >= before).all()
    studio.tool("Eraser")
    studio.drag((20, 20), (120, 20))
    erased = studio.mask()
    assert erased is not None
    assert not erased[20, 30:110].any()


def test_undo_redo_and_reset_walk_through_the_clicks(studio: Studio) -> None:
    studio.open(COFFEE)
    studio.click(*CUP)
    first = studio.wait_mask()
    studio.click(*SPOON)
    second = studio.wait_mask()
    assert (first != second).any()
    studio.button("Undo").click()
    studio.wait_mask_equal(first)
    studio.button("Redo").click()
    studio.wait_mask_equal(second)
    studio.button("Undo").click()
    studio.button("Undo").click()
    assert studio.points() == []
    studio.button("Redo").click()
    studio.wait_mask_equal(first)
    studio.button("Reset").click()
    assert studio.points() == []


def test_a_click_means_the_same_place_after_zooming_and_panning(
    studio: Studio, light_model: Model
) -> None:
    studio.open(COFFEE)
    for _ in range(3):
        studio.button("Zoom in").click()
    x, y = studio.place(*CUP)
    studio.page.mouse.move(x, y)
    with studio.holding("Space"):
        studio.page.mouse.down()
        studio.page.mouse.move(x + 60, y + 25, steps=4)
        studio.page.mouse.up()
    assert np.allclose(studio.place(*CUP), (x + 60, y + 25), atol=2)
    studio.click(*CUP)
    ours = light_model.segment(COFFEE, Prompt(points=[CUP])).array[0]
    assert iou(studio.wait_mask(), ours) >= 0.99


def test_the_keyboard_alone_places_points(studio: Studio) -> None:
    studio.open(COFFEE)
    stage = studio.page.get_by_test_id("stage")
    stage.focus()
    studio.page.keyboard.press("ArrowRight")
    studio.page.keyboard.press("ArrowDown")
    before = studio.answers()
    studio.page.keyboard.press("Space")
    studio.wait_answer(before)
    assert studio.wait_mask().any()
    assert len(studio.points()) == 1


def test_touch_taps_place_points(
    touch_studio: Callable[[], Studio],
) -> None:
    studio = touch_studio()
    studio.open(COFFEE)
    before = studio.answers()
    studio.page.touchscreen.tap(*studio.place(*CUP))
    studio.wait_answer(before)
    assert studio.wait_mask()[CUP[1], CUP[0]]
