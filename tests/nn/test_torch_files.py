"""Files of `torch.save` read without torch, against torch itself."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from anymask.errors import WeightsError
from anymask.nn.torch_files import read_arrays

torch = pytest.importorskip("torch")


def saved(content: object, folder: Path) -> Path:
    path = folder / "old.pth"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


def test_arrays_are_what_torch_saved(tmp_path: Path) -> None:
    rows = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    state = OrderedDict(
        rows=rows,
        turned=rows.T,  # the same storage, other strides
        part=rows[1:3, 2:],  # begins in the middle
        steps=torch.tensor(7),
        halves=torch.tensor([0.5, 2.5], dtype=torch.float16),
        none=torch.zeros((0, 3)),
    )
    found = read_arrays(saved(state, tmp_path))
    assert list(found) == list(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())
        assert found[name].dtype == tensor.numpy().dtype
        assert found[name].shape == tuple(tensor.shape)


def test_a_file_that_wants_to_run_something_is_refused(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    path = saved(OrderedDict(x=Harmful()), tmp_path)
    with pytest.raises(WeightsError, match=r"old\.pth.*it asks for"):
        read_arrays(path)
    assert not (tmp_path / "ran").exists()


def test_every_cut_is_an_error_of_one_line(tmp_path: Path) -> None:
    whole = saved(OrderedDict(x=torch.ones(5)), tmp_path).read_bytes()
    path = tmp_path / "cut.pth"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match=r"cut\.pth") as caught:
            read_arrays(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"hello", b"PK\x03\x04", pickle.dumps([1, 2])])
def test_other_files_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"other\.pth is no checkpoint"):
        read_arrays(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.pth cannot be read"):
        read_arrays(tmp_path / "gone.pth")


def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    path = saved(OrderedDict(x=torch.ones(5)), tmp_path)
    content = path.read_bytes()
    (tmp_path / "far.pth").write_bytes(content.replace(b"K\x05\x85", b"K\x50\x85"))
    assert (tmp_path / "far.pth").read_bytes() != content
    with pytest.raises(WeightsError, match="outside of its storage"):
        read_arrays(tmp_path / "far.pth")
