from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from anymask.server.pictures import Picture, PictureStore
from anymask.server.spool import Spool, sweep


@pytest.fixture
def store(tmp_path):
    return PictureStore(tmp_path, memory_bytes=250, disk_bytes=250)


def of(name: str, source: bytes | Path = b"x" * 100) -> Picture:
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    return Picture(name, 10, 10, source, size)


def test_small_files_go_to_the_folder_when_memory_is_full_and_are_forgotten_last(store, tmp_path):
    for name in "abcde":
        store.put(of(name, name.encode() * 100))
    assert (store.memory_bytes, store.disk_bytes) == (200, 200)
    assert store.get("a") is None
    assert {path.name for path in tmp_path.iterdir()} == {"b", "c"}
    for name in "bcde":
        assert store.content(store.get(name)) == name.encode() * 100


def test_what_is_used_stays(store):
    for name in "ab":
        store.put(of(name))
    store.get("a")
    store.put(of("c"))
    assert isinstance(store.get("b").source, Path)
    assert isinstance(store.get("a").source, bytes)


def test_a_file_that_came_by_disk_is_taken_over(store, tmp_path):
    arrived = tmp_path / "arriving"
    arrived.write_bytes(b"y" * 120)
    store.put(of("a", arrived))
    assert not arrived.exists()
    again = tmp_path / "again"
    again.write_bytes(b"y" * 120)
    store.put(of("a", again))
    assert not again.exists(), "known already"
    assert {path.name for path in tmp_path.iterdir()} == {"a"}
    assert store.drop("a")
    assert not store.drop("a")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_vanished_is_told(store, tmp_path):
    arrived = tmp_path / "arriving"
    arrived.write_bytes(b"y")
    store.put(of("a", arrived))
    known = store.get("a")
    store.drop("a")
    assert store.content(known) is None


def test_folders_of_killed_servers_are_swept_and_those_of_living_ones_are_not():
    code = (
        "import os, signal\n"
        "from anymask.server.spool import Spool\n"
        "print(Spool().folder, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    source = str(Path(__file__).parents[2] / "src")
    killed = subprocess.run(  # noqa: PLW1510 - it kills itself
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": source}
    )
    left = Path(killed.stdout.strip())
    assert left.is_dir()
    living = Spool()
    sweep(left.parent)
    assert not left.exists()
    assert living.folder.is_dir()
    living.close()
    assert not living.folder.exists()
