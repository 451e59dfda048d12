"""Editing the picture in the page: steps, undo by removing them, and what is downloaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.apps.edit.recipe import read_recipe
from anymask.io.images import read_image
from conftest import REPOSITORY
from studio.tab import Studio

pytestmark = [pytest.mark.weights, pytest.mark.slow]

COFFEE = REPOSITORY / "examples/photos/coffee.jpg"
CUP = (300, 190)
EDITED = "() => window.__anymask.edited()"
PLAIN = "() => !window.__anymask.edited()"


@pytest.fixture
def with_cup(studio: Studio) -> Studio:
    studio.open(COFFEE)
    studio.click(*CUP)
    return studio


def saved_picture(studio: Studio, folder: Path) -> np.ndarray:
    path = studio.download(studio.button("Download picture"), folder)
    assert path.name == "coffee-edited.png"
    return np.asarray(Image.open(path))


def test_a_step_saves_the_mask_changes_the_picture_and_removing_it_undoes_it(
    with_cup: Studio, tmp_path: Path
) -> None:
    studio = with_cup
    studio.page.mouse.move(2, 2)
    mask = studio.wait_mask()
    studio.add_step("recolour")
    studio.wait_objects(1)
    original, edited = read_image(COFFEE), saved_picture(studio, tmp_path)
    changed = (edited != original).any(2)
    assert changed[mask].mean() > 0.9
    assert changed[~mask].mean() < 0.05
    studio.button("Remove Recolour").click()
    studio.until(PLAIN)
    assert studio.button("Download picture").count() == 0
    studio.button("Undo").click()
    studio.until(EDITED)
    assert np.array_equal(saved_picture(studio, tmp_path), edited)


def test_the_edit_is_seen_and_the_original_for_comparison(with_cup: Studio) -> None:
    studio = with_cup
    studio.save_object()
    studio.add_step("background-colour")
    studio.page.mouse.move(2, 2)
    studio.page.wait_for_timeout(300)
    edited = studio.pixels()
    studio.button("Show original").click()
    studio.until_painted(edited, share=0.2)
    original = studio.pixels()
    studio.button("Show original").click()
    studio.until_painted(original, share=0.2)


def test_parameters_change_the_picture(with_cup: Studio, tmp_path: Path) -> None:
    studio = with_cup
    studio.add_step("background-colour")
    colour = studio.page.get_by_label("Colour", exact=True)
    colour.fill("#ff0000")
    colour.dispatch_event("change")
    studio.until("() => window.__anymask.steps()[0].parameters.colour === '#ff0000'")
    studio.until(EDITED)
    assert saved_picture(studio, tmp_path)[5, 5].tolist() == [255, 0, 0]


def test_the_recipe_gives_the_same_picture_in_python(with_cup: Studio, tmp_path: Path) -> None:
    studio = with_cup
    studio.add_step("background-blur")
    studio.page.get_by_role("combobox", name="Add a step").select_option("outline")
    studio.until("() => window.__anymask.steps().length === 2")
    studio.until(EDITED)
    path = studio.download(studio.button("Download recipe"), tmp_path)
    assert [step["step"] for step in json.loads(path.read_text())["steps"]] == [
        "background-blur",
        "outline",
    ]
    expected = read_recipe(path).apply(read_image(COFFEE))
    assert np.array_equal(saved_picture(studio, tmp_path), expected)


def test_edits_survive_a_reload(open_studio: Callable[[], Studio], tmp_path: Path) -> None:
    studio = open_studio()
    studio.open(COFFEE)
    studio.click(*CUP)
    studio.add_step("greyscale")
    before = saved_picture(studio, tmp_path)
    studio.wait_saved()
    studio.page.reload()
    studio.accept_restore()
    studio.wait_ready()
    studio.until(EDITED)
    assert np.array_equal(saved_picture(studio, tmp_path), before)


def test_a_step_that_cannot_be_done_says_why(studio: Studio) -> None:
    studio.open(COFFEE)
    studio.tool("Brush")
    studio.page.evaluate("localStorage.setItem('anymask.brush', '400')")
    studio.page.reload()
    studio.accept_restore()
    studio.wait_ready()
    studio.tool("Brush")
    for y in range(10, 400, 60):
        studio.drag((5, y), (595, y))
    studio.save_object()
    studio.page.get_by_text("Edit picture").click()
    studio.page.get_by_role("combobox", name="Add a step").select_option("delete")
    alert = studio.page.get_by_role("alert")
    alert.wait_for()
    assert "covers the whole picture" in alert.inner_text()
