"""Edges drawn by people, as the Berkeley segmentation data set keeps them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.errors import FileFormatError
from anymask.evaluation.truth import DataSet, TruePicture
from anymask.io.images import IMAGE_SUFFIXES

_FOLDERS = ("gt", "groundTruth", "boundaries")


def find_boundaries(folder: Path) -> list[TruePicture]:
    """Pictures of `images/` with a file of the same name in `gt/`; empty where there are none."""
    truth = next((folder / name for name in _FOLDERS if (folder / name).is_dir()), None)
    images = folder / "images"
    if truth is None or not images.is_dir():
        return []
    files = {path.stem: path for path in truth.rglob("*") if path.suffix in (".npz", ".mat")}
    return [
        TruePicture(path.stem, path, boundaries=files[path.stem])
        for path in sorted(images.rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES and path.stem in files
    ]


def read_boundary_set(folder: Path, name: str) -> DataSet:
    """The pictures of a folder that have edges."""
    return DataSet(name, folder, tuple(find_boundaries(folder)), {})


def read_boundaries(path: Path) -> NDArray[np.bool_]:
    """The edges of one picture.

    Args:
        path: .npz with `boundaries` (annotators, H, W), or the original .mat.

    Returns:
        (annotators, H, W) bool.

    Raises:
        FileFormatError: it cannot be read.
    """
    try:
        if path.suffix == ".mat":
            return _from_mat(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            found = np.asarray(stored["boundaries"], np.bool_)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"{path} holds no boundaries: {error}") from error
    if found.ndim != 3 or not len(found):
        raise FileFormatError(f"{path}: boundaries must be (annotators, H, W); got {found.shape}")
    return found


def _from_mat(path: Path) -> NDArray[np.bool_]:
    from scipy.io import loadmat

    cells = loadmat(str(path))["groundTruth"].ravel()
    return np.stack([np.asarray(cell["Boundaries"][0, 0], np.bool_) for cell in cells])
