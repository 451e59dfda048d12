"""Saved objects: the list, cut-outs, and what the session is exported as."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from conftest import REPOSITORY
from studio.tab import Studio

pytestmark = [
    pytest.mark.weights,
    pytest.mark.slow,
    # pycocotools' own array wrapper predates numpy 2
    pytest.mark.filterwarnings(
        "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
    ),
]

COFFEE = REPOSITORY / "examples/photos/coffee.jpg"
CUP, SPOON = (300, 190), (385, 300)


def save_two(studio: Studio) -> list[np.ndarray]:
    studio.open(COFFEE)
    masks = []
    for place in (CUP, SPOON):
        studio.click(*place)
        masks.append(studio.wait_mask())
        studio.save_object()
    return masks


def test_objects_are_named_coloured_hidden_and_deleted(studio: Studio) -> None:
    save_two(studio)
    first = studio.objects()[0]
    name = first.get_by_role("textbox", name="Name of")
    name.fill("cup")
    name.blur()
    first.locator("input[type=color]").fill("#00ff00")
    names = studio.page.evaluate("window.__anymask.objects().map((o) => [o.name, o.color])")
    assert ["cup", "#00ff00"] in names
    studio.objects()[1].get_by_role("button", name="Delete").click()
    studio.wait_objects(1)
    studio.button("Undo").click()
    studio.wait_objects(2)


def test_a_saved_object_can_be_deleted_by_its_button(studio: Studio) -> None:
    save_two(studio)
    studio.objects()[0].click()
    studio.button("Delete object").click()
    studio.wait_objects(1)


def test_a_cut_out_is_the_object_on_nothing_cropped(studio: Studio, tmp_path: Path) -> None:
    studio.open(COFFEE)
    studio.click(*CUP)
    mask = studio.wait_mask()
    path = studio.download(studio.button("Cut out object"), tmp_path)
    cutout = Image.open(path)
    assert cutout.mode == "RGBA"
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    crop = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    alpha = np.asarray(cutout)[..., 3] > 0
    assert (alpha == crop).all()
    photo = np.asarray(Image.open(COFFEE).convert("RGB"))
    expected = photo[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1][crop]
    found = np.asarray(cutout)[..., :3][crop]
    assert np.abs(found.astype(int) - expected).mean() <= 2  # two JPEG decoders


def test_the_session_is_exported_as_masks_cutouts_and_coco(studio: Studio, tmp_path: Path) -> None:
    masks = save_two(studio)
    path = studio.download_all(tmp_path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "all")
    names = sorted(p.name for p in (tmp_path / "all").rglob("*") if p.is_file())
    coco = json.loads(next((tmp_path / "all").rglob("*.json")).read_text())
    assert [(i["width"], i["height"]) for i in coco["images"]] == [(600, 400)]
    assert len(coco["annotations"]) == len(masks)
    for annotation, mask in zip(coco["annotations"], masks, strict=True):
        decoded = coco_mask.decode(annotation["segmentation"]) > 0
        assert (decoded == mask).all()
        assert annotation["area"] == mask.sum()
        assert list(coco_mask.toBbox(annotation["segmentation"])) == annotation["bbox"]
    pngs = [np.asarray(Image.open(p)) for p in sorted((tmp_path / "all").rglob("*.png"))]
    plain = [png > 0 for png in pngs if png.ndim == 2]
    for mask in masks:
        assert any(one.shape == mask.shape and (one == mask).all() for one in plain), names
    assert sum(png.ndim == 3 and png.shape[2] == 4 for png in pngs) == len(masks)
