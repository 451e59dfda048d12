"""Every way a picture comes into the page, and what is told while it does."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from anymask.inference.segment import Model
from anymask.types.prompt import Prompt
from conftest import REPOSITORY
from studio.tab import Studio, iou

pytestmark = [pytest.mark.weights, pytest.mark.slow]

COFFEE = REPOSITORY / "examples/photos/coffee.jpg"
CUP = (300, 190)
GIVE_FILE = """([base64, name, how]) => {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, {type: 'image/jpeg'}));
  const target = how === 'paste' ? document : document.body;
  const event = how === 'paste'
    ? new ClipboardEvent('paste', {clipboardData: data, bubbles: true})
    : new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true});
  target.dispatchEvent(event);
}"""


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_a_picture_is_opened_by_dropping_or_pasting_it(studio: Studio, how: str) -> None:
    studio.give(GIVE_FILE, COFFEE, how)
    studio.wait_ready()
    studio.click(*CUP)
    assert studio.wait_mask().shape == (400, 600)


def test_a_sample_is_opened_from_the_empty_page(studio: Studio) -> None:
    samples = studio.page.get_by_role("button", name=re.compile("sample", re.IGNORECASE))
    samples.last.click()
    studio.wait_ready()


def test_what_happens_is_told_while_a_picture_is_encoded(studio: Studio) -> None:
    studio.page.evaluate("""() => {
      window.told = [];
      const status = document.querySelector('[role=status]');
      new MutationObserver(() => window.told.push(status.textContent))
        .observe(status, {childList: true, subtree: true, characterData: true});
    }""")
    studio.open(COFFEE)
    told = " ".join(studio.page.evaluate("window.told"))
    assert re.search("upload", told, re.IGNORECASE)
    assert re.search("encod", told, re.IGNORECASE)


def test_the_next_picture_is_encoded_in_advance(studio: Studio, tmp_path: Path) -> None:
    second = tmp_path / "second.png"
    Image.open(COFFEE).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(second)
    embeddings: list[str] = []
    studio.page.on(
        "response", lambda got: embeddings.append(got.url) if "/embedding" in got.url else None
    )
    studio.open(COFFEE, second)
    with studio.page.expect_response(
        lambda got: "/embedding" in got.url and got.url not in embeddings[:1], timeout=60_000
    ):
        pass
    assert len(set(embeddings)) == 2


def test_a_turned_phone_photo_is_shown_and_segmented_upright(
    studio: Studio, light_model: Model, tmp_path: Path
) -> None:
    path = tmp_path / "turned.jpg"
    picture = Image.open(COFFEE)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    picture.save(path, exif=exif, quality=95)
    studio.open(path)
    studio.click(200, 300)
    ours = light_model.segment(path, Prompt(points=[(200, 300)])).array[0]
    assert ours.shape == (600, 400)
    assert iou(studio.wait_mask(), ours) >= 0.99


def test_a_picture_that_the_browser_cannot_show_is_shown_by_the_server(
    studio: Studio, tmp_path: Path
) -> None:
    path = tmp_path / "scan.tiff"
    Image.open(COFFEE).save(path)
    studio.open(path)
    studio.click(*CUP)
    assert studio.wait_mask().shape == (400, 600)


def test_a_photo_of_6000_pixels_gives_the_mask_that_python_gives(
    studio: Studio, light_model: Model, tmp_path: Path
) -> None:
    path = tmp_path / "large.jpg"
    Image.open(COFFEE).resize((6000, 4000), Image.Resampling.BICUBIC).save(path, quality=85)
    studio.open(path)
    studio.click(3000, 1900)
    ours = light_model.segment(path, Prompt(points=[(3000, 1900)])).array[0]
    mask = studio.wait_mask()
    assert mask.shape == (4000, 6000)
    assert iou(mask, ours) >= 0.99


def test_what_is_no_picture_is_refused_in_one_line_and_the_page_goes_on(
    studio: Studio, tmp_path: Path
) -> None:
    path = tmp_path / "notes.png"
    path.write_text("these are no pixels")
    studio.choose(path)
    alert = studio.page.get_by_role("alert").filter(has_text="notes.png")
    expect(alert).to_be_visible()
    assert re.search("not an? |no picture|cannot", alert.inner_text())
    studio.open(COFFEE)
    studio.click(*CUP)
    assert studio.wait_mask().any()


def test_a_slow_network_only_takes_longer(studio: Studio, light_model: Model) -> None:
    studio.page.wait_for_load_state("networkidle")
    session = studio.page.context.new_cdp_session(studio.page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": 150,
            "downloadThroughput": 600_000,
            "uploadThroughput": 60_000,
        },
    )
    studio.open(COFFEE)
    studio.click(*CUP)
    ours = light_model.segment(COFFEE, Prompt(points=[CUP])).array[0]
    assert iou(studio.wait_mask(), np.asarray(ours)) >= 0.99
