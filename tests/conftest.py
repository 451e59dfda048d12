"""Fixtures every test may use: real photos, the evaluation data, the default model's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from anymask.inference.load import load_model
from anymask.inference.segment import Model
from anymask.io.weights.cache import LocatedWeights, locate
from anymask.io.weights.zoo import TEXT_ZOO, find_entry
from anymask.words.load import load_scorer
from anymask.words.scorer import RegionTextScorer

# The same examples at every run: a failure belongs to the change that is tested.
settings.register_profile("anymask", derandomize=True, deadline=None)
settings.load_profile("anymask")

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


@pytest.fixture(scope="session")
def default_weights() -> LocatedWeights:
    """The default model's files; never fetched by a test."""
    located = locate(find_entry("vit_t"))
    if located is None:
        pytest.skip("the default model is not in the cache; run `anymask models fetch vit_t`")
    return located


@pytest.fixture(scope="session")
def default_model(default_weights: LocatedWeights) -> Model:
    """The default model on PyTorch and the CPU, shared by all tests: it keeps no state."""
    assert default_weights.files
    return load_model("vit_t", device="cpu", engine="torch", offline=True)


@pytest.fixture(scope="session")
def offline_scorer() -> RegionTextScorer:
    """The scorer with published weights; never fetched by a test."""
    if any(locate(entry) is None for entry in TEXT_ZOO):
        pytest.skip("the weights for words are not in the cache; run `anymask models fetch text`")
    return load_scorer(offline=True)
