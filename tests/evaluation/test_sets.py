from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.errors import FileFormatError
from anymask.evaluation.sets.boundaries import read_boundaries
from anymask.evaluation.sets.find import find_boundary_sets, find_mask_sets
from anymask.evaluation.truth import size_class
from anymask.geometry import rle

SIZE = (20, 30)


def square() -> np.ndarray:
    mask = np.zeros(SIZE, np.bool_)
    mask[4:10, 5:15] = True
    return mask


def save_picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (SIZE[1], SIZE[0])).save(path)


def save_mask(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


def test_a_folder_of_folders_is_several_sets(disc_set: Callable[..., Path]) -> None:
    folder = disc_set("b").parent
    disc_set("a")
    assert [one.name for one in find_mask_sets([folder])] == ["a", "b"]


def test_two_sets_of_one_name_get_two_names(disc_set: Callable[..., Path]) -> None:
    folder = disc_set("a")
    assert [one.name for one in find_mask_sets([folder, folder])] == ["a", "a-2"]


def test_coco_polygons_and_crowds(tmp_path: Path) -> None:
    save_picture(tmp_path / "images" / "p.png")
    polygon = [[5, 4, 15, 4, 15, 10, 5, 10]]
    content = {
        "images": [{"id": 7, "file_name": "somewhere/p.png", "width": 30, "height": 20}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 2, "segmentation": polygon, "area": 61.5},
            {"id": 2, "image_id": 7, "segmentation": rle.encode(square()), "iscrowd": 1},
        ],
        "categories": [{"id": 2, "name": "thing"}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(content))
    (one,) = find_mask_sets([tmp_path])
    (picture,) = one.pictures
    first, second = picture.truths
    assert (first.mask() == square()).all()
    assert (first.category, first.crowd, first.area) == (2, False, 61.5)
    assert (second.crowd, second.area) == (True, None)


def test_sa1b_files_beside_their_pictures(tmp_path: Path) -> None:
    save_picture(tmp_path / "sa_1.jpg")
    content = {
        "image": {"file_name": "sa_1.jpg", "width": 30, "height": 20},
        "annotations": [{"id": 5, "segmentation": rle.encode(square())}],
    }
    (tmp_path / "sa_1.json").write_text(json.dumps(content))
    (one,) = find_mask_sets([tmp_path])
    assert (one.pictures[0].truths[0].mask() == square()).all()


def test_masks_in_a_folder_of_their_own(tmp_path: Path) -> None:
    save_picture(tmp_path / "images" / "p.png")
    save_mask(tmp_path / "masks" / "p.png", square() * 255)
    (one,) = find_mask_sets([tmp_path])
    assert [truth.mask().sum() for truth in one.pictures[0].truths] == [60]


def test_numbers_of_objects_and_255_for_unsure(tmp_path: Path) -> None:
    save_picture(tmp_path / "p.jpg")
    values = square() * 1
    values[12:16, 5:15] = 2
    values[10:12] = 255
    save_mask(tmp_path / "p_mask.png", values)
    (one,) = find_mask_sets([tmp_path])
    truths = one.pictures[0].truths
    assert [truth.key for truth in truths] == ["1", "2"]
    assert (truths[0].mask() == square()).all()
    assert truths[0].unsure().sum() == 60


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: folder / "none", "there is nothing at"),
        (lambda folder: folder, "holds no truth"),
    ],
)
def test_what_holds_no_truth_is_told(
    tmp_path: Path, make: Callable[[Path], Path], told: str
) -> None:
    with pytest.raises(FileFormatError, match=told):
        find_mask_sets([make(tmp_path)])


def test_a_picture_that_is_not_there_is_told(disc_set: Callable[..., Path]) -> None:
    folder = disc_set()
    (folder / "images" / "1.png").unlink()
    with pytest.raises(FileFormatError, match=r"1\.png"):
        find_mask_sets([folder])


def test_edges_of_a_matlab_file(tmp_path: Path) -> None:
    from scipy.io import savemat

    cells = np.empty((1, 2), object)
    for number in range(2):
        cells[0, number] = {"Boundaries": square().astype(np.uint8), "Segmentation": 0}
    savemat(tmp_path / "a.mat", {"groundTruth": cells})
    found = read_boundaries(tmp_path / "a.mat")
    assert found.shape == (2, *SIZE)
    assert (found == square()).all()


def test_a_file_without_edges_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"nothing")
    with pytest.raises(FileFormatError, match=r"a\.npz holds no boundaries"):
        read_boundaries(tmp_path / "a.npz")
    with pytest.raises(FileFormatError, match="edges drawn by people"):
        find_boundary_sets([tmp_path])


def test_sizes_are_those_of_coco() -> None:
    assert [size_class(area) for area in (1023, 1024, 9215, 9216)] == [
        "small", "medium", "medium", "large"
    ]  # fmt: skip


@pytest.mark.shared
def test_all_shared_sets_are_read(shared_dir: Path) -> None:
    sets = find_mask_sets([shared_dir / "data" / "A"])
    assert len(sets) == 22
    assert sum(len(picture.truths) for one in sets for picture in one.pictures) > 2000
    assert len(find_boundary_sets([shared_dir / "data" / "B"])[0].pictures) == 32
