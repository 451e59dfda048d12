"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.errors import ImageError
from anymask.io.files import (
    atomic_path,
    save_png,
    write_bytes_atomic,
    write_json_atomic,
    write_text_atomic,
)
from anymask.io.images import read_image


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def write_half(path: Path, failure: type[BaseException]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise failure


def test_bytes_text_and_json_are_written_into_new_folders(tmp_path: Path) -> None:
    assert write_bytes_atomic(tmp_path / "a" / "b" / "raw.bin", b"\0\1").read_bytes() == b"\0\1"
    assert write_text_atomic(str(tmp_path / "c" / "t.txt"), "ü\n").read_bytes() == b"\xc3\xbc\n"
    path = write_json_atomic(tmp_path / "v.json", {"name": "ünï", "n": [1, 2.5, None]})
    assert json.loads(path.read_text("utf-8")) == {"name": "ünï", "n": [1, 2.5, None]}
    assert path.read_text("utf-8").endswith("}\n")


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_interrupted_write_keeps_the_former_file(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    path = write_text_atomic(tmp_path / "work.txt", "former")
    with pytest.raises(failure):
        write_half(path, failure)
    assert only_file(tmp_path).read_text() == "former"


def test_an_interrupted_first_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "new.txt", KeyboardInterrupt)
    assert list(tmp_path.iterdir()) == []


def test_what_json_cannot_hold_leaves_the_former_file(tmp_path: Path) -> None:
    path = write_json_atomic(tmp_path / "v.json", [1])
    with pytest.raises(ValueError, match="JSON"):
        write_json_atomic(path, float("nan"))
    with pytest.raises(TypeError):
        write_json_atomic(path, object())
    assert json.loads(only_file(tmp_path).read_text()) == [1]


def test_the_temporary_file_is_hidden_beside_the_target(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "out.npz") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".npz"
        assert not (tmp_path / "out.npz").exists()


def test_readers_see_the_former_file_or_the_new_one(tmp_path: Path) -> None:
    path = write_bytes_atomic(tmp_path / "f.bin", b"a" * 100_000)
    done = threading.Event()
    seen: set[bytes] = set()

    def look() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=look)
    reader.start()
    for letter in b"bcdefgh" * 20:
        write_bytes_atomic(path, bytes([letter]) * 100_000)
    done.set()
    reader.join()
    assert {len(content) for content in seen} == {100_000}
    assert all(len(set(content)) == 1 for content in seen)


@pytest.mark.parametrize(
    "name", ["with space & ünicöde 图.png", "n" * 251 + ".png", "." * 3 + "x.png"]
)
def test_long_and_odd_names_work(tmp_path: Path, name: str) -> None:
    save_png(tmp_path / name, np.zeros((2, 2), np.uint8))
    assert only_file(tmp_path).name == name


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    path = write_text_atomic(tmp_path / "ours", "x")
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="permissions differ on Windows")
def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = write_text_atomic(tmp_path / "f", "x")
    path.chmod(0o640)
    write_text_atomic(path, "y")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_goes_on_pointing_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = write_text_atomic(tmp_path / "real" / "f.txt", "x")
    link = tmp_path / "link.txt"
    link.symlink_to(target)
    write_text_atomic(link, "y")
    assert link.is_symlink()
    assert target.read_text() == "y"


def test_a_folder_as_target_is_named(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        write_text_atomic(tmp_path, "x")


def test_a_file_where_a_folder_must_be_is_named(tmp_path: Path) -> None:
    write_text_atomic(tmp_path / "f", "x")
    with pytest.raises(OSError, match=r"f/inside\.txt"):
        write_text_atomic(tmp_path / "f" / "inside.txt", "x")


def test_a_full_disk_names_the_target(tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    with pytest.raises(OSError, match=r"big\.bin") as caught, atomic_path(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_errors_about_other_things_pass_unchanged(tmp_path: Path) -> None:
    for error in (ConnectionResetError(errno.ECONNRESET, "reset"), FileNotFoundError(2, "no", "x")):
        with pytest.raises(type(error)) as caught, atomic_path(tmp_path / "f"):
            raise error
        assert caught.value is error


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.uint8).reshape(3, 4),
        np.arange(36, dtype=np.uint8).reshape(3, 4, 3),
        np.arange(48, dtype=np.uint8).reshape(3, 4, 4),
        np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000,
        np.arange(36, dtype=np.uint8).reshape(3, 4, 3)[::-1, :, ::-1],
    ],
)
def test_png_holds_the_array(tmp_path: Path, array: np.ndarray) -> None:
    with Image.open(save_png(tmp_path / "a.png", array)) as image:
        np.testing.assert_array_equal(np.asarray(image), array)


def test_a_bool_png_is_black_and_white(tmp_path: Path) -> None:
    path = save_png(tmp_path / "m.png", np.array([[True, False]]))
    np.testing.assert_array_equal(read_image(path)[0, :, 0], [255, 0])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 2, 2), np.uint8),
        np.zeros((2, 2), np.float32),
        np.zeros((2, 2, 3), np.uint16),
        np.zeros((0, 2), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((2, 2, 3), bool),
    ],
)
def test_other_arrays_are_refused_as_png(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"shape.*dtype"):
        save_png(tmp_path / "a.png", array)
    assert list(tmp_path.iterdir()) == []


def test_another_ending_is_refused_as_png(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"a\.jpg.*\.png"):
        save_png(tmp_path / "a.jpg", np.zeros((2, 2), np.uint8))
