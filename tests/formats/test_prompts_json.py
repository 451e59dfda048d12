from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from anymask.errors import FileFormatError, PromptError
from anymask.formats.prompts_json import PromptSpec, read_prompts


@pytest.fixture
def write(tmp_path):
    def write(content: object) -> Path:
        path = tmp_path / "prompts.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_one_list_is_for_every_image(write):
    prompts = read_prompts(
        write([{"points": [[3, 4], [5, 6]], "labels": [1, 0]}, {"box": [1, 2, 3, 4]}])
    )
    for name in ("a.jpg", "x/b.png"):
        first, second = (spec.load() for spec in prompts.specs(PurePosixPath(name)))
        assert first.points_xy.tolist() == [[3, 4], [5, 6]]
        assert first.labels.tolist() == [1, 0]
        assert second.box_xyxy.tolist() == [1, 2, 3, 4]


def test_lists_by_file_name_prefer_the_longest_path(write):
    prompts = read_prompts(
        write({"a.jpg": [{"points": [[1, 1]]}], "shelf/a.jpg": [{"points": [[2, 2]]}]})
    )
    assert prompts.match(PurePosixPath("/photos/shelf/a.jpg")) == "shelf/a.jpg"
    assert prompts.match(PurePosixPath("/photos/a.jpg")) == "a.jpg"
    assert prompts.match(PurePosixPath("b.jpg")) is None
    assert prompts.specs(PurePosixPath("b.jpg")) == ()


def test_names_known_from_sam_mean_the_same(write):
    prompts = read_prompts(write([{"point_coords": [[3, 4]], "point_labels": [0], "box": None}]))
    assert prompts.for_all[0].load().labels.tolist() == [0]


def test_a_mask_lies_relative_to_the_file_and_is_read_late(write, tmp_path):
    path = write([{"mask": "prior.png"}])
    with pytest.raises(FileFormatError, match=r"object 0: mask file .*prior\.png' does not exist"):
        read_prompts(path)
    (tmp_path / "prior.png").write_bytes(b"not read yet")
    (spec,) = read_prompts(path).for_all
    Image.fromarray(np.full((4, 6), 255, np.uint8)).save(tmp_path / "prior.png")
    assert spec.load().mask.shape == (4, 6)


def test_a_mask_that_covers_nothing_is_refused_when_it_is_read(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "empty.png")
    with pytest.raises(PromptError, match="covers no pixel"):
        PromptSpec(mask=tmp_path / "empty.png").load()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is not good JSON"),
        ("[" * 100_000, "is not good JSON"),
        ("3", "holds a number"),
        ("null", "holds null"),
        ([], "is an empty list"),
        ({}, "is empty"),
        ({"points": [[1, 2]]}, "has the key 'points' at the top; put the object into a list"),
        ({"a.jpg": {"points": [[1, 2]]}}, "'a.jpg' is an object; give a list of objects"),
        ([[1, 2]], "object 0 is a list; give one such as"),
        ([{"points": [[1, 2]]}, {"boxes": [1, 2, 3, 4]}], "object 1 has the unknown key 'boxes'"),
        ([{"points": [[1, 2]], "point_coords": [[1, 2]]}], "has points under two names"),
        ([{"labels": [1]}], "object 0: labels were given without points"),
        ([{"points": [[1, 2]], "labels": [1, 0]}], "labels has 2 entries but points has 1"),
        ([{"box": [5, 5, 1, 1]}], "object 0: box must have x0 <= x1"),
        ([{"points": "12"}], "points must be an array"),
        ([{}], "object 0: the prompt is empty"),
        ([{"mask": 3}], "mask is a number; give the name of a picture file"),
        ('[{"points": [[NaN, 1]]}]', "points must be finite"),
        ('{"a.jpg": [{"points": [[1, 1]]}], "a.jpg": []}', "the key 'a.jpg' comes twice"),
    ],
)
def test_wrong_files_are_refused_by_place_and_key(write, content, told):
    path = write(content)
    with pytest.raises(FileFormatError) as caught:
        read_prompts(path)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_folder_and_binary_files(tmp_path):
    with pytest.raises(FileFormatError, match="there is no prompts file"):
        read_prompts(tmp_path / "no.json")
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_prompts(tmp_path)
    (tmp_path / "a.json").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(FileFormatError, match="not text in UTF-8"):
        read_prompts(tmp_path / "a.json")


def test_a_byte_order_mark_is_no_obstacle(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('[{"points": [[1, 2]]}]', encoding="utf-8-sig")
    assert len(read_prompts(path).for_all) == 1
