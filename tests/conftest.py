"""Fixtures every test may use: real photos, the evaluation data, the default model's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The evaluation data beside the checkout; a stranger's clone has none."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the evaluation data is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """A real photo, (512, 512, 3) uint8 RGB."""
    from skimage import data

    return np.asarray(data.astronaut())


@pytest.fixture(scope="session")
def coffee() -> np.ndarray:
    """A real photo that is not square, (400, 600, 3) uint8 RGB."""
    from skimage import data

    return np.asarray(data.coffee())
