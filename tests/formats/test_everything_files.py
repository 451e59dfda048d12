"""The files of everything mode: what is written comes back, and others can read it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from anymask.errors import FileFormatError
from anymask.formats import coco, labelmap, mask_folder, sa1b
from anymask.types.records import CompactMask, MaskRecord

SIZE_HW = (20, 30)

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


def record(mask: np.ndarray, iou: float) -> MaskRecord:
    return MaskRecord(CompactMask.from_array(mask), iou, 0.96, (4.5, 6.25), (0, 0, 30, 20))


@pytest.fixture
def records() -> list[MaskRecord]:
    ring = np.zeros(SIZE_HW, bool)
    ring[2:12, 3:17] = True
    ring[5:8, 6:9] = False
    dot = np.zeros(SIZE_HW, bool)
    dot[19, 29] = True
    return [record(ring, 0.99), record(dot, 0.91)]


def test_records_have_the_published_fields_and_come_back(records, tmp_path) -> None:
    path = tmp_path / "photo.json"
    sa1b.write_records(path, records)
    first, dot = json.loads(path.read_text())
    assert set(first) == {
        "segmentation", "area", "bbox", "predicted_iou", "point_coords", "stability_score",
        "crop_box",
    }  # fmt: skip
    assert first["bbox"] == [3, 2, 13, 9]
    assert dot["bbox"] == [29, 19, 0, 0]
    assert first["point_coords"] == [[4.5, 6.25]]
    assert np.array_equal(coco_masks.decode(first["segmentation"]), records[0].array)
    assert sa1b.read_records(path) == records


def test_a_file_of_sa_1b_names_its_picture_and_comes_back(records, tmp_path) -> None:
    path = tmp_path / "sa_123.json"
    file = sa1b.Sa1bFile(sa1b.image_id("sa_123.jpg"), "sa_123.jpg", SIZE_HW, tuple(records))
    sa1b.write_sa1b(path, file)
    content = json.loads(path.read_text())
    assert content["image"] == {
        "image_id": 123, "width": 30, "height": 20, "file_name": "sa_123.jpg",
    }  # fmt: skip
    assert [one["id"] for one in content["annotations"]] == [0, 1]
    assert sa1b.read_sa1b(path) == file


def test_pictures_of_other_names_get_a_number_of_their_own() -> None:
    numbers = {sa1b.image_id(name) for name in ("a.jpg", "b.jpg", "ü.png", "sa_x.jpg")}
    assert len(numbers) == 4
    assert all(0 <= number < 2**53 for number in numbers)  # whole in any JSON reader
    assert sa1b.image_id("a.jpg") == sa1b.image_id("folder/a.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("{}", "is no list of records"),
        ("[3]", "entry 0 is no record"),
        ("[{}]", "entry 0: the record lacks segmentation"),
        (
            '[{"segmentation": {"size": [2, 2], "counts": [9]}, "predicted_iou": 1, '
            '"stability_score": 1, "point_coords": [[0, 0]], "crop_box": [0, 0, 2, 2]}]',
            "entry 0: the record is malformed: counts add up to 9",
        ),
    ],
)
def test_files_that_are_no_records_are_refused(content, message, tmp_path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=message):
        sa1b.read_records(path)


def test_files_that_are_no_sa_1b_are_refused(tmp_path) -> None:
    path = tmp_path / "wrong.json"
    with pytest.raises(FileFormatError, match="there is no file at"):
        sa1b.read_sa1b(path)
    path.write_text('{"image": {}}')
    with pytest.raises(FileFormatError, match="is no file of SA-1B"):
        sa1b.read_sa1b(path)


def test_a_coco_file_is_read_by_the_reference_reader(records, tmp_path, capsys) -> None:
    path = tmp_path / "coco.json"
    images = [
        coco.CocoImage("a.jpg", SIZE_HW, records),
        coco.CocoImage("empty.jpg", SIZE_HW, []),
        coco.CocoImage("b.jpg", SIZE_HW, records[1:]),
    ]
    document = coco.coco_document(images)
    coco.write_coco(path, document)
    dataset = COCO(str(path))
    capsys.readouterr()  # it prints
    assert [image["file_name"] for image in dataset.loadImgs(dataset.getImgIds())] == [
        "a.jpg", "empty.jpg", "b.jpg",
    ]  # fmt: skip
    found = dataset.loadAnns(dataset.getAnnIds(imgIds=[1]))
    for annotation, expected in zip(found, records, strict=True):
        assert np.array_equal(dataset.annToMask(annotation), expected.array)
        assert annotation["bbox"] == coco_masks.toBbox(annotation["segmentation"]).tolist()
    assert coco.read_coco(path) == document


def test_merging_coco_files_equals_writing_them_together(records) -> None:
    images = [coco.CocoImage("a.jpg", SIZE_HW, records), coco.CocoImage("b.jpg", SIZE_HW, records)]
    parts = [coco.coco_document([image]) for image in images]
    assert coco.merge(parts) == coco.coco_document(images)


def test_files_that_are_no_coco_are_refused(tmp_path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text('{"images": []}')
    with pytest.raises(FileFormatError, match="it must have images, annotations, categories"):
        coco.read_coco(path)


@pytest.mark.parametrize(("largest", "mode"), [(255, "L"), (256, "I;16"), (65535, "I;16")])
def test_label_maps_take_as_many_bits_as_they_need(largest, mode, tmp_path) -> None:
    path = tmp_path / "labels.png"
    labels = np.array([[0, 1], [7, largest]], np.uint32)
    labelmap.write_label_map(path, labels)
    with Image.open(path) as image:
        assert image.mode == mode
    assert np.array_equal(labelmap.read_label_map(path), labels)


def test_label_maps_refuse_what_would_wrap(tmp_path) -> None:
    path = tmp_path / "labels.png"
    with pytest.raises(FileFormatError, match="labels go up to 65536 but a PNG holds 65535"):
        labelmap.write_label_map(path, np.array([[65536]], np.uint32))
    with pytest.raises(FileFormatError, match=r"give \(H, W\) unsigned integers"):
        labelmap.write_label_map(path, np.zeros((2, 2), np.int64))  # type: ignore[arg-type]
    Image.new("RGB", (2, 2)).save(path)
    with pytest.raises(FileFormatError, match="is a colour picture"):
        labelmap.read_label_map(path)


def test_a_mask_folder_is_that_of_the_original_program(records, tmp_path) -> None:
    folder = tmp_path / "photo"
    mask_folder.write_mask_folder(folder, records)
    assert sorted(path.name for path in folder.iterdir()) == ["0.png", "1.png", "metadata.csv"]
    with (folder / "metadata.csv").open(encoding="utf-8") as file:
        lines = list(csv.reader(file))
    assert lines[0][:6] == ["id", "area", "bbox_x0", "bbox_y0", "bbox_w", "bbox_h"]
    assert lines[1][:8] == ["0", str(records[0].area), "3", "2", "13", "9", "4.5", "6.25"]
    assert np.asarray(Image.open(folder / "0.png")).max() == 255
    assert mask_folder.read_mask_folder(folder) == records


def test_a_mask_folder_replaces_its_former_self_and_nothing_else(records, tmp_path) -> None:
    folder = tmp_path / "photo"
    mask_folder.write_mask_folder(folder, records)
    mask_folder.write_mask_folder(folder, records[:1])
    assert sorted(path.name for path in folder.iterdir()) == ["0.png", "metadata.csv"]
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FileFormatError, match=r"holds 'notes.txt', which is no mask"):
        mask_folder.write_mask_folder(folder, records)
    assert (folder / "notes.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["photo"]


def test_a_damaged_mask_folder_is_refused(records, tmp_path) -> None:
    folder = tmp_path / "photo"
    with pytest.raises(FileFormatError, match=r"there is no metadata.csv"):
        mask_folder.read_mask_folder(folder)
    mask_folder.write_mask_folder(folder, records)
    Path(folder / "1.png").unlink()
    with pytest.raises(FileFormatError, match="is missing or no picture"):
        mask_folder.read_mask_folder(folder)
