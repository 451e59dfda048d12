"""Exports that several tests look at; none of them changes one."""

from __future__ import annotations

import pytest

from anymask.export.comparison import in_shapes
from anymask.export.export import Export, export_model
from anymask.inference.load import load_model
from anymask.inference.segment import Model
from exports import export_small, small_model


@pytest.fixture(scope="session")
def small() -> Model:
    return small_model()


@pytest.fixture(scope="session")
def batched(small: Model, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Encoder and decoder of the small model."""
    return export_small(small, tmp_path_factory.mktemp("batched") / "export")


@pytest.fixture(scope="session")
def original(small: Model, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """The same with the decoder of the original layout."""
    return export_small(small, tmp_path_factory.mktemp("original"), layout="original")


@pytest.fixture(scope="session")
def light_model(default_weights) -> Model:
    """The default model on onnxruntime."""
    return load_model("vit_t", engine="onnx", offline=True)


@pytest.fixture(scope="session")
def default_export(light_model: Model, coffee, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """The default model, compared on real photos."""
    folder = tmp_path_factory.mktemp("default") / "anymask-export"
    return export_model(light_model, folder, in_shapes(coffee))
