"""Where weight files are looked for, and what is done about wrong ones."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from anymask.errors import WeightsError
from anymask.io.weights import cache
from anymask.io.weights.cache import (
    discard_original,
    file_weights_id,
    locate,
    resolve_cache_dir,
    resolve_model_dir,
)
from anymask.io.weights.zoo import WeightFile, ZooEntry, find_entry

CONTENT = b"numbers " * 100
OTHER = b"letters " * 100


def make_entry(*names: str, content: bytes = CONTENT) -> ZooEntry:
    sha256 = hashlib.sha256(content).hexdigest()
    files = tuple(WeightFile(name, len(content), sha256) for name in names)
    return ZooEntry("toy", (), "a toy", "vit_t", files, (), "MIT", "none", 1)


ENTRY = make_entry("toy.pth")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own for each test."""
    for name in ("ANYMASK_MODEL_DIR", "ANYMASK_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANYMASK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def place(path: Path, content: bytes = CONTENT, age_seconds: float = 60.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    past = time.time() - age_seconds
    os.utime(path, (past, past))
    return path


class HashCounter:
    """Counts how often a file is really read for its hash."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        original = hashlib.file_digest

        def counted(*args: object) -> object:
            self.count += 1
            return original(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(cache.hashlib, "file_digest", counted)


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> HashCounter:
    return HashCounter(monkeypatch)


# --- folders


def test_the_argument_wins_over_the_variable_over_the_platform(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve_cache_dir(tmp_path / "mine") == tmp_path / "mine"
    assert resolve_cache_dir() == home
    monkeypatch.delenv("ANYMASK_HOME")
    assert resolve_cache_dir().is_absolute()


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "/u/.cache/anymask"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/anymask"),
        ("linux", {"XDG_CACHE_HOME": "not/absolute"}, "/u/.cache/anymask"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "/u/Library/Caches/anymask"),
        ("win32", {}, "/u/AppData/Local/anymask/Cache"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/anymask/Cache"),
    ],
)
def test_each_platform_has_its_usual_place(
    platform: str, environment: dict[str, str], expected: str
) -> None:
    assert cache._platform_cache_dir(platform, environment, Path("/u")) == Path(expected)


def test_a_home_sign_and_relative_folders_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_cache_dir("~/weights") == tmp_path / "weights"
    assert resolve_cache_dir("weights") == tmp_path / "weights"


def test_a_model_folder_that_is_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve_model_dir() is None
    with pytest.raises(WeightsError, match=r"model_dir is .*gone"):
        resolve_model_dir(tmp_path / "gone")
    monkeypatch.setenv("ANYMASK_MODEL_DIR", str(tmp_path / "gone"))
    with pytest.raises(WeightsError, match=r"ANYMASK_MODEL_DIR is .*gone"):
        locate(ENTRY)
    monkeypatch.setenv("ANYMASK_MODEL_DIR", str(tmp_path))
    assert resolve_model_dir() == tmp_path


# --- finding


def test_nothing_there_is_none() -> None:
    assert locate(ENTRY) is None


@pytest.mark.parametrize("place_in", ["toy.pth", "toy/toy.pth"])
def test_a_hand_placed_file_is_found_and_its_folder_left_alone(
    tmp_path: Path, place_in: str
) -> None:
    path = place(tmp_path / "own" / place_in)
    before = sorted((tmp_path / "own").rglob("*"))
    located = locate(ENTRY, model_dir=tmp_path / "own")
    assert located is not None
    assert located.files == {"toy.pth": path}
    assert located.weights_id == f"toy@{ENTRY.files[0].sha256[:8]}"
    assert sorted((tmp_path / "own").rglob("*")) == before


def test_a_file_placed_in_the_cache_by_hand_is_found(home: Path) -> None:
    path = place(home / "weights" / "toy.pth")
    located = locate(ENTRY)
    assert located is not None
    assert located.files["toy.pth"] == path


def test_the_own_folder_comes_before_the_cache(home: Path, tmp_path: Path) -> None:
    place(home / "weights" / "toy" / "toy.pth")
    own = place(tmp_path / "own" / "toy.pth")
    located = locate(ENTRY, model_dir=tmp_path / "own")
    assert located is not None
    assert located.files["toy.pth"] == own


def test_files_may_lie_in_both_places(home: Path, tmp_path: Path) -> None:
    entry = make_entry("a.onnx", "b.onnx")
    own = place(tmp_path / "own" / "a.onnx")
    assert locate(entry, model_dir=tmp_path / "own") is None
    fetched = place(home / "weights" / "toy" / "b.onnx")
    located = locate(entry, model_dir=tmp_path / "own")
    assert located is not None
    assert located.files == {"a.onnx": own, "b.onnx": fetched}


@pytest.mark.parametrize(
    ("content", "found"),
    [(CONTENT[:-1], "has 799 bytes instead of 800"), (OTHER, hashlib.sha256(OTHER).hexdigest())],
)
def test_a_wrong_file_in_the_own_folder_is_an_error_that_tells_both(
    tmp_path: Path, content: bytes, found: str
) -> None:
    place(tmp_path / "own" / "toy.pth", content)
    with pytest.raises(WeightsError) as caught:
        locate(ENTRY, model_dir=tmp_path / "own")
    message = str(caught.value)
    assert found in message
    assert str(tmp_path / "own" / "toy.pth") in message
    assert "\n" not in message


def test_a_wrong_file_of_a_common_name_can_be_overruled(tmp_path: Path) -> None:
    place(tmp_path / "own" / "toy.pth", OTHER)
    right = place(tmp_path / "own" / "toy" / "toy.pth")
    located = locate(ENTRY, model_dir=tmp_path / "own")
    assert located is not None
    assert located.files["toy.pth"] == right


@pytest.mark.parametrize("content", [CONTENT[:-1], OTHER, b""])
def test_a_damaged_file_in_the_cache_counts_as_missing(
    home: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    place(home / "weights" / "toy" / "toy.pth", content)
    assert locate(ENTRY) is None
    assert "treated as missing" in caplog.text


# --- hashing once


def test_a_file_is_hashed_once(home: Path, tmp_path: Path, hashes: HashCounter) -> None:
    own = place(tmp_path / "own" / "toy.pth")
    for _ in range(3):
        assert locate(ENTRY, model_dir=own.parent) is not None
    assert hashes.count == 1
    notes = list((home / "verified").iterdir())
    assert [json.loads(note.read_text())["sha256"] for note in notes] == [ENTRY.files[0].sha256]


def test_a_changed_file_is_hashed_again(tmp_path: Path, hashes: HashCounter) -> None:
    own = place(tmp_path / "own" / "toy.pth")
    assert locate(ENTRY, model_dir=own.parent) is not None
    place(own, OTHER, age_seconds=30.0)
    with pytest.raises(WeightsError, match="SHA-256"):
        locate(ENTRY, model_dir=own.parent)
    assert hashes.count == 2


def test_a_change_within_one_tick_of_the_clock_shows(tmp_path: Path) -> None:
    own = place(tmp_path / "own" / "toy.pth", age_seconds=0.0)
    moment = own.stat().st_mtime_ns
    assert locate(ENTRY, model_dir=own.parent) is not None
    own.write_bytes(OTHER)
    os.utime(own, ns=(moment, moment))
    with pytest.raises(WeightsError, match="SHA-256"):
        locate(ENTRY, model_dir=own.parent)


@pytest.mark.parametrize("note", [b"", b"[1]", b"{}", b'{"version": 1, "sha256": 5}', b"\xff"])
def test_a_damaged_note_is_written_anew(home: Path, tmp_path: Path, note: bytes) -> None:
    own = place(tmp_path / "own" / "toy.pth")
    assert locate(ENTRY, model_dir=own.parent) is not None
    (path,) = (home / "verified").iterdir()
    path.write_bytes(note)
    assert locate(ENTRY, model_dir=own.parent) is not None
    assert json.loads(path.read_text())["sha256"] == ENTRY.files[0].sha256


def test_a_cache_that_cannot_be_written_only_costs_time(
    tmp_path: Path, hashes: HashCounter
) -> None:
    own = place(tmp_path / "own" / "toy.pth")
    blocker = place(tmp_path / "file")
    for _ in range(2):
        assert locate(ENTRY, cache_dir=blocker, model_dir=own.parent) is not None
    assert hashes.count == 2


# --- converted copies


def test_the_converted_copy_stands_in_for_a_checkpoint(home: Path) -> None:
    path = place(home / "weights" / "toy" / "toy.pth")
    located = locate(ENTRY)
    assert located is not None
    sha16 = ENTRY.files[0].sha256[:16]
    assert located.converted == home / "converted" / f"toy-{sha16}.safetensors"
    assert not discard_original(located)
    place(located.converted)
    assert discard_original(located)
    assert not path.exists()
    again = locate(ENTRY)
    assert again is not None
    assert again.files == {}
    assert not discard_original(again)


def test_a_hand_placed_file_is_never_deleted(tmp_path: Path) -> None:
    own = place(tmp_path / "own" / "toy.pth")
    located = locate(ENTRY, model_dir=own.parent)
    assert located is not None
    place(located.converted)
    assert not discard_original(located)
    assert own.exists()


def test_onnx_files_are_kept_and_needed(home: Path) -> None:
    entry = make_entry("a.onnx", "b.onnx")
    paths = [place(home / "weights" / "toy" / file.name) for file in entry.files]
    located = locate(entry)
    assert located is not None
    place(located.converted)
    assert not discard_original(located)
    paths[0].unlink()
    assert locate(entry) is None


# --- ids of files


def test_a_file_has_the_same_id_wherever_it_lies(tmp_path: Path) -> None:
    sha8 = hashlib.sha256(CONTENT).hexdigest()[:8]
    assert file_weights_id(place(tmp_path / "a" / "mine.pth")) == f"mine@{sha8}"
    assert file_weights_id(str(place(tmp_path / "b" / "mine.pth"))) == f"mine@{sha8}"
    assert file_weights_id(place(tmp_path / "c" / "mine.pth", OTHER)) != f"mine@{sha8}"


def test_a_published_file_has_the_id_of_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "hash_file", lambda *_: find_entry("vit_b").files[0].sha256)
    assert file_weights_id(place(tmp_path / "renamed.pth")) == find_entry("vit_b").weights_id


def test_a_missing_file_has_no_id(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.pth"):
        file_weights_id(tmp_path / "gone.pth")
