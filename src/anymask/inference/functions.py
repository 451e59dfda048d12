"""Networks of others, from files on this disk, as functions of arrays: ONNX and TorchScript.

A TorchScript file is a program: only open files whose origin you trust. An ONNX file only computes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.errors import MissingExtraError, WeightsError

FloatArray = NDArray[np.float32]
Shape = tuple[int | None, ...]


class Function(Protocol):
    """A network that takes arrays in order and gives one."""

    @property
    def input_shapes(self) -> tuple[Shape, ...] | None:
        """The shape of each input, with None for what may vary; None where the file tells none."""
        ...

    def __call__(self, *arrays: FloatArray) -> FloatArray:
        """Run it.

        Args:
            arrays: float32, one for each input.

        Returns:
            The first output, float32.

        Raises:
            WeightsError: the network cannot take such arrays.
        """
        ...


class OnnxFunction:
    """An ONNX file, run by onnxruntime on the CPU.

    Args:
        path: the file.

    Raises:
        WeightsError: no such file, or one that is no ONNX graph.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        import onnxruntime

        self._path = existing(path)
        try:
            self._session = onnxruntime.InferenceSession(
                str(self._path), providers=["CPUExecutionProvider"]
            )
        except _onnx_errors() as error:
            raise WeightsError(f"{str(self._path)!r} is no ONNX graph: {_line(error)}") from error
        self._inputs = self._session.get_inputs()

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """See `Function`."""
        return tuple(
            tuple(side if isinstance(side, int) else None for side in one.shape)
            for one in self._inputs
        )

    def __call__(self, *arrays: FloatArray) -> FloatArray:
        """See `Function`."""
        names = [one.name for one in self._inputs]
        if len(arrays) != len(names):
            raise WeightsError(f"{str(self._path)!r} has {len(names)} inputs, not {len(arrays)}")
        feed = dict(zip(names, arrays, strict=True))
        try:
            first = self._session.run(None, feed)[0]
        except _onnx_errors() as error:
            raise WeightsError(f"{str(self._path)!r} cannot be run: {_line(error)}") from error
        return np.asarray(first, np.float32)


class TorchScriptFunction:
    """A TorchScript file, run by PyTorch on the CPU.

    Args:
        path: the file; it is a program, so trust its origin.

    Raises:
        WeightsError: no such file, or one that is no TorchScript.
        MissingExtraError: PyTorch is not installed.
    """

    input_shapes = None

    def __init__(self, path: str | PathLike[str]) -> None:
        torch = _torch(f"to run {Path(path).name}")
        self._path = existing(path)
        try:
            self._module = _load_script(torch, self._path)
        except (RuntimeError, ValueError) as error:
            raise WeightsError(f"{str(self._path)!r} is no TorchScript: {_line(error)}") from error

    def __call__(self, *arrays: FloatArray) -> FloatArray:
        """See `Function`."""
        import torch

        tensors: Sequence[Any] = [torch.from_numpy(np.ascontiguousarray(one)) for one in arrays]
        try:
            with torch.inference_mode():
                first = self._module(*tensors)
        except (RuntimeError, NotImplementedError) as error:
            raise WeightsError(f"{str(self._path)!r} cannot be run: {_line(error)}") from error
        return np.asarray(first[0] if isinstance(first, tuple) else first, np.float32)


def seeded_generator(seed: int) -> Any:
    """PyTorch's source of random numbers, for pipelines that take one.

    Raises:
        MissingExtraError: PyTorch is not installed.
    """
    return _torch("for a seed").Generator("cpu").manual_seed(seed)


def existing(path: str | PathLike[str]) -> Path:
    """A file or folder that is there.

    Raises:
        WeightsError: it is not.
    """
    found = Path(path).expanduser()
    if not found.exists():
        raise WeightsError(f"{str(found)!r} does not exist; give a file on this disk")
    return found


def _torch(purpose: str) -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "torch", purpose) from error
    return torch


def _load_script(torch: Any, path: Path) -> Any:
    with warnings.catch_warnings():
        # newer versions of PyTorch advise another format, which these files are not in
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(str(path), map_location="cpu").eval()


def _onnx_errors() -> tuple[type[Exception], ...]:
    """Whatever onnxruntime raises: each kind is an exception of its own, with no common base."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [kind for kind in vars(state).values() if isinstance(kind, type)]
    return (RuntimeError, ValueError, *(kind for kind in own if issubclass(kind, Exception)))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
