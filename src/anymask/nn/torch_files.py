"""Reads a file that ``torch.save`` wrote before PyTorch 1.6, without PyTorch.

Such a file is five pickles (a magic number, a version, the machine, the places of the tensors, the
names of the storages) and then the storages themselves, each its count of numbers and the numbers.
Nothing but the places of tensors is accepted in a pickle, and nothing of the file is run.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anymask.errors import WeightsError

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_DTYPES: Final = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype[Any]


class _Place(NamedTuple):
    """A tensor: where it begins in its storage, its shape, and its strides in numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a state dict.

    Args:
        path: of a file as `torch.save` wrote it before PyTorch 1.6.

    Returns:
        Name -> array.

    Raises:
        WeightsError: the file cannot be read, is no such file, holds other things, or is damaged.
    """
    try:
        with path.open("rb") as handle:
            return _read(handle)
    except OSError as error:
        reason = error.strerror or str(error)
        raise WeightsError(f"weights file {path} cannot be read ({reason})") from error
    except Exception as error:  # cut-off bytes make the reader fail in any way
        raise WeightsError(
            f"weights file {path} is no checkpoint of the kind expected, or damaged "
            f"({str(error) or type(error).__name__}); fetch it again"
        ) from error


def _read(handle: BinaryIO) -> dict[str, NDArray[Any]]:
    if _Unpickler(handle).load() != _MAGIC:
        raise ValueError("another magic number")
    for _ in ("version", "machine"):
        _Unpickler(handle).load()
    reader = _Unpickler(handle)
    places = reader.load()
    numbers = {}
    for key in _Unpickler(handle).load():
        dtype = reader.storages[key].dtype
        (count,) = np.frombuffer(handle.read(8), "<i8")
        numbers[key] = np.frombuffer(handle.read(int(count) * dtype.itemsize), dtype, int(count))
    return {
        name: _view(place, numbers[place.storage.key])
        for name, place in places.items()
        if isinstance(place, _Place)
    }


def _view(place: _Place, numbers: NDArray[Any]) -> NDArray[Any]:
    if 0 in place.shape:
        return np.zeros(place.shape, numbers.dtype)
    last = place.offset + sum(
        (size - 1) * stride for size, stride in zip(place.shape, place.strides, strict=True)
    )
    if min(place.offset, *place.strides, *place.shape, 0) < 0 or last >= len(numbers):
        raise ValueError("a tensor lies outside of its storage")
    strides = tuple(stride * numbers.itemsize for stride in place.strides)
    view = np.lib.stride_tricks.as_strided(numbers[place.offset :], place.shape, strides)
    return view.copy()


class _Unpickler(pickle.Unpickler):
    """Knows tensors' places and ordered dicts, and refuses all else."""

    def __init__(self, handle: BinaryIO) -> None:
        super().__init__(handle)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a class or function of the file."""
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
        }
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if (module, name) not in known:
            raise ValueError(f"it asks for {module}.{name}")
        found: Callable[..., object] = known[module, name]
        return found

    def persistent_load(self, pid: Any) -> _Storage:
        """A storage by its mark: ("storage", kind, key, device, count, view)."""
        _, dtype, key, *_ = pid
        return self.storages.setdefault(key, _Storage(key, dtype))


def _rebuilt(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> _Place:
    return _Place(storage, offset, tuple(shape), tuple(strides))
