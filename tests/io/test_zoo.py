"""The table of published models."""

from __future__ import annotations

import base64
import re
import subprocess
import sys

import pytest

from anymask.errors import WeightsError
from anymask.io.weights.zoo import (
    DEFAULT_MODEL,
    ZOO,
    NpmSource,
    UrlSource,
    find_by_sha256,
    find_entry,
)


def test_names_and_aliases_are_found_however_they_are_written() -> None:
    assert find_entry("vit_b").name == "vit_b"
    assert find_entry(" ViT-B ").name == "vit_b"
    assert find_entry("mobile-sam").architecture == "vit_t"
    assert find_entry("default").name == "vit_h"  # as in the original registry
    assert find_entry(DEFAULT_MODEL).files[0].name == "encoder.onnx"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(WeightsError) as caught:
        find_entry("vit_x")
    message = str(caught.value)
    assert "'vit_x'" in message
    assert all(entry.name in message for entry in ZOO)
    assert "\n" not in message


def test_no_two_models_share_a_name_or_a_file() -> None:
    names = [name for entry in ZOO for name in (entry.name, *entry.aliases)]
    hashes = [file.sha256 for entry in ZOO for file in entry.files]
    assert len(set(names)) == len(names)
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize("entry", ZOO, ids=lambda entry: entry.name)
def test_every_row_is_complete(entry: object) -> None:
    row = find_entry(getattr(entry, "name", ""))
    delivered: set[str] = set()
    for source in row.sources:
        if isinstance(source, NpmSource):
            delivered |= {name for name, _ in source.members}
            assert len(base64.b64decode(source.integrity.removeprefix("sha512-"))) == 64
        else:
            delivered.add(source.file)
            assert source.url.startswith("https://")
            assert source.url.endswith(source.file)
    assert delivered == {file.name for file in row.files}
    assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in row.files)
    # four bytes a trained value, and little besides
    assert 0 < row.total_bytes - 4 * row.parameters < 8e6
    assert row.licence
    assert row.data
    assert row.fallback is None or find_entry(row.fallback).architecture == row.architecture


def test_ids_name_the_model_and_its_first_file() -> None:
    assert find_entry("vit_t").weights_id == "vit_t@18348d14"
    assert find_entry("vit_b").weights_id == "vit_b@ec2df627"


def test_a_published_file_is_known_by_its_hash() -> None:
    entry = find_entry("mobile_sam")
    assert find_by_sha256(entry.files[0].sha256) is entry
    assert find_by_sha256("0" * 64) is None


def test_archives_are_named_as_npm_names_them() -> None:
    plain = NpmSource("tool", "1.2.3", "", 0, ())
    scoped = NpmSource("@us/tool", "1.2.3", "", 0, ())
    assert plain.archive_name == "tool-1.2.3.tgz"
    assert scoped.archive_name == "us-tool-1.2.3.tgz"
    assert str(plain) == "npm package tool@1.2.3"
    assert str(UrlSource("a", "https://host/a")) == "https://host/a"


def test_reading_the_table_needs_no_heavy_package() -> None:
    code = (
        "import sys, anymask.io.weights.zoo, anymask.io.weights.fetch;"
        "print({'torch', 'onnx', 'safetensors', 'PIL'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
