"""Files of one export know each other, and refuse others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from anymask.errors import WeightsError
from anymask.export.pair import check_pair, make_pair_id, read_metadata, read_pair_id, stamp


def small_model(constant: float = 1.0) -> bytes:
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, [300])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [300])
    one = helper.make_tensor("one", TensorProto.FLOAT, [300], [constant] * 300)
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "one"], ["y"])], "g", [info], [y], [one]
    )
    model = helper.make_model(graph, producer_name="test")
    onnx.checker.check_model(model)
    return model.SerializeToString()


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=300), max_size=4))
def test_metadata_comes_back_and_onnx_reads_the_same(metadata: dict[str, str]) -> None:
    stamped = stamp(small_model(), metadata)
    assert read_metadata(stamped) == metadata
    loaded = onnx.load_from_string(stamped)
    onnx.checker.check_model(loaded)
    assert {entry.key: entry.value for entry in loaded.metadata_props} == metadata


def test_metadata_written_by_onnx_is_read(tmp_path: Path) -> None:
    model = onnx.load_from_string(small_model())
    helper.set_model_props(model, {"pair_id": "vit_t@1-2", "other": "x" * 1000})
    onnx.save(model, tmp_path / "model.onnx")
    assert read_pair_id(tmp_path / "model.onnx") == "vit_t@1-2"


def test_the_id_follows_weights_and_graphs_but_not_their_order() -> None:
    graphs = {"image": b"a", "prompt": b"b"}
    base = make_pair_id("vit_t@18348d14", graphs)
    assert base.startswith("vit_t@18348d14-")
    assert base == make_pair_id("vit_t@18348d14", dict(reversed(graphs.items())))
    others = [
        make_pair_id("vit_t@18348d15", graphs),
        make_pair_id("vit_t@18348d14", {"image": b"b", "prompt": b"a"}),
        make_pair_id("vit_t@18348d14", {"image": b"a"}),
    ]
    assert len({base, *others}) == 4


def test_a_mixture_is_refused_naming_both() -> None:
    check_pair("a@1-2", "a@1-2")
    with pytest.raises(WeightsError, match=r"decoder belongs to pair b@3-4 but pair a@1-2 is in"):
        check_pair("a@1-2", "b@3-4")


def test_a_model_without_an_id_says_so() -> None:
    with pytest.raises(WeightsError, match="carries no pair id"):
        read_pair_id(small_model())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 zipped", b"\xff" * 40, b"\x3a\xff\x01"])
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(WeightsError, match="damaged or no ONNX file"):
        read_metadata(content)


def test_a_model_that_is_cut_off_is_refused() -> None:
    with pytest.raises(WeightsError, match="damaged or no ONNX file"):
        read_metadata(small_model()[:-3])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.onnx cannot be read"):
        read_metadata(tmp_path / "none.onnx")


def test_reading_an_id_loads_no_heavy_package() -> None:
    code = (
        "import sys; from anymask.export import contract, pair\n"
        "assert not {'torch', 'onnx', 'onnxruntime'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
