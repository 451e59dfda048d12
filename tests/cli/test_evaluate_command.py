from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.geometry import rle

Run = Callable[..., object]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two sets of one picture each, with a disc of the size that the model is surest of."""
    ys, xs = np.mgrid[:256, :256] + 0.5
    for name, radius in (("large", 48), ("small", 16)):
        folder = tmp_path / "data" / name
        (folder / "images").mkdir(parents=True)
        Image.new("RGB", (256, 256), (200, 120, 40)).save(folder / "images" / "a.png")
        content = {
            "images": [{"id": 1, "file_name": "a.png", "width": 256, "height": 256}],
            "annotations": [
                {
                    "id": 1,
                    "image_id": 1,
                    "category_id": 1,
                    "iscrowd": 0,
                    "segmentation": rle.encode(np.hypot(xs - 100, ys - 100) < radius),
                }
            ],
            "categories": [{"id": 1, "name": "disc"}],
        }
        (folder / "instances.json").write_text(json.dumps(content))
    return tmp_path / "data"


def test_clicks_ends_with_the_means_over_sets(run, stub, data: Path) -> None:
    ended = run("evaluate", "clicks", data, "--limit", "40", "--out", "report")
    assert ended.code == 0, ended.err
    last = ended.out.splitlines()[-1]
    assert last.startswith("mean over 2 sets: p1 ")
    assert [word.split()[0] for word in last.partition(": ")[2].split(", ")] == [
        "p1", "oracle", "p3", "p5", "box"
    ]  # fmt: skip
    assert "large" in ended.out
    page = Path("report/clicks.html").read_text()
    assert page.count("<figure>") == 2
    assert "http" not in page.replace("http://www.w3.org", "")
    report = json.loads(Path("report/clicks.json").read_text())
    assert report["schema"] == "anymask.evaluation/1"
    assert last.endswith(", ".join(f"{k} {100 * report['figures'][k]:.1f}" for k in
                                   ("p1", "oracle", "p3", "p5", "box")))  # fmt: skip


def test_a_second_run_does_nothing_again_and_tells_the_same(run, stub, data: Path) -> None:
    first = run("evaluate", "clicks", data, "--json")
    stub.backend.before_decode = lambda: pytest.fail("decoded again")
    second = run("evaluate", "clicks", data, "--json")
    assert second.json["resumed"] == 2
    assert second.json["figures"] == first.json["figures"]


def test_overwrite_starts_anew(run, stub, data: Path) -> None:
    run("evaluate", "clicks", data)
    assert run("evaluate", "clicks", data, "--overwrite", "--json").json["resumed"] == 0


def test_other_settings_are_not_taken_for_these(run, stub, data: Path) -> None:
    run("evaluate", "clicks", data)
    assert run("evaluate", "clicks", data, "--seed", "1", "--json").json["resumed"] == 0


def test_ctrl_c_keeps_what_is_done(run, stub, data: Path) -> None:
    calls = []

    def interrupt() -> None:
        calls.append(1)
        if len(calls) > 12:
            raise KeyboardInterrupt

    stub.backend.before_decode = interrupt
    ended = run("evaluate", "clicks", data)
    assert ended.code == 130
    assert "run it again to go on" in ended.err
    stub.backend.before_decode = lambda: None
    assert run("evaluate", "clicks", data, "--json").json["resumed"] == 1


def test_a_picture_that_fails_is_told_and_the_rest_is_done(run, stub, data: Path) -> None:
    (data / "small" / "images" / "a.png").write_bytes(b"no picture")
    ended = run("evaluate", "clicks", data)
    assert ended.code == 1
    assert "small" in ended.err
    assert ended.out.splitlines()[-1].startswith("mean over 1 set: ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["clicks"], "no data was given"),
        (["clicks", "nowhere"], "there is nothing at nowhere"),
        (["clicks", "DATA", "--points", "a"], "--points"),
        (["clicks", "DATA", "--points", "0"], "points"),
        (["clicks", "DATA", "--baselines", "magic"], "magic"),
        (["clicks", "DATA", "--image-size", "100"], "--image-size"),
    ],
)
def test_wrong_usage_is_told_in_a_line(run, stub, data: Path, words, told: str) -> None:
    ended = run("evaluate", *(data if word == "DATA" else word for word in words))
    assert ended.code == 2
    assert told in ended.err
    assert ended.err.count("\n") == 1


def test_boxes_proposals_and_everything_tell_their_means(run, stub, data: Path) -> None:
    for name, words, told in (
        ("boxes", ["--limit", "1"], "mean over 2 sets: AP "),
        ("proposals", ["--points-per-side", "2"], "mean over 2 sets: AR@10 "),
        ("everything", ["--points-per-side", "2"], "mean over 2 sets: best IoU "),
    ):
        ended = run("evaluate", name, data, *words, "--out", "report")
        assert ended.code == 0, ended.err
        assert ended.out.splitlines()[-1].startswith(told)
        assert Path("report", f"{name}.json").is_file()
        assert Path("report", f"{name}.html").is_file()


def test_edges_want_edges(run, stub, data: Path) -> None:
    ended = run("evaluate", "edges", data)
    assert ended.code == 2
    assert "edges drawn by people" in ended.err


def test_a_page_joins_quality_and_speed(run, stub, data: Path) -> None:
    run("evaluate", "clicks", data, "--out", "report")
    speed = {
        "machine": {"cpu": "a processor", "cores": 2, "system": "a system"},
        "titles": {"click": "One click"},
        "rows": [
            {"task": "click", "variant": "anymask onnx", "allocator": "default",
             "seconds": [0.02, 0.01, 0.03], "peak_rss_mb": 210.4},
            {"task": "click", "variant": "other", "allocator": "default", "skipped": "why"},
        ],
    }  # fmt: skip
    Path("speed.json").write_text(json.dumps(speed))
    ended = run("evaluate", "page", "report/clicks.json", "--speed", "speed.json", "-o", "page.md")
    assert ended.code == 0, ended.err
    page = Path("page.md").read_text()
    assert "| set | masks | p1 |" in page
    assert "| One click | anymask onnx | 20 ms | 210 MB | 3 |" in page
    assert "other" not in page


def test_a_page_of_something_else_is_refused(run, tmp_path: Path) -> None:
    Path("other.json").write_text("{}")
    ended = run("evaluate", "page", "other.json")
    assert ended.code == 2
    assert "schema" in ended.err
