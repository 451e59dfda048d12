"""The examples as modules: they are scripts beside the package, not part of it."""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from anymask.inference.segment import Model
from conftest import REPOSITORY
from models import tiny_model

EXAMPLES = REPOSITORY / "examples"

# the back end is a package of its own, run from its folder
sys.path.insert(0, str(EXAMPLES / "label_studio"))


def load_script(path: str, name: str) -> ModuleType:
    """A file below examples/ under a name of its own."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny() -> Model:
    return tiny_model()


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """Broader than high, so that exchanged sides show: (60, 90, 3) uint8 RGB."""
    y, x = np.mgrid[:60, :90]
    return np.stack([3 * x % 256, 5 * y % 256, (x * y) % 256], axis=-1).astype(np.uint8)


@pytest.fixture(scope="session")
def png(picture: np.ndarray) -> bytes:
    return as_png(picture)


def as_png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def cvat() -> Iterator[ModuleType]:
    yield load_script("cvat/main.py", "anymask_cvat_interactor")
    del sys.modules["anymask_cvat_interactor"]
