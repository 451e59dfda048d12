from __future__ import annotations

import logging
import os
import random

import numpy as np
import pytest

from anymask.inference.segment import Model
from anymask.io.images import read_image
from anymask.server.embeddings import EmbeddingCache
from anymask.server.encoder import encode, prepare
from models import tiny_model
from servers import picture

ONE = 8192
"""Bytes of one embedding of the tiny network."""


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


@pytest.fixture
def cache(model, tmp_path):
    def make(memory: int = 4 * ONE, disk: int = 100 * ONE, of: Model = model) -> EmbeddingCache:
        return EmbeddingCache(tmp_path, of, memory, disk)

    return make


@pytest.fixture(scope="module")
def some(model):
    return [model.encode(picture(seed)) for seed in range(6)]


@pytest.mark.parametrize("size", [(60, 40), (1, 1), (3000, 3), (128, 128), (7, 500)])
def test_both_halves_of_encoding_are_the_whole(model, size):
    rgb = read_image(picture(3, size))
    halves, whole = encode(model, prepare(rgb, 128)), model.encode(rgb)
    assert np.array_equal(halves.embedding, whole.embedding)
    assert (halves.frame, halves.model_id) == (whole.frame, whole.model_id)
    assert halves.image_sha256 == whole.image_sha256


def test_the_oldest_leave_the_memory_and_come_back_from_disk(cache, some):
    kept = cache(memory=2 * ONE)
    for one in some:
        kept.put(one)
    assert kept.memory_bytes == 2 * ONE
    for one in some:
        assert np.array_equal(kept.get(one.image_sha256).embedding, one.embedding)
    assert kept.memory_bytes == 2 * ONE
    assert kept.get("0" * 64) is None


def test_the_files_used_longest_ago_leave_the_disk(cache, some, tmp_path):
    kept = cache(memory=0, disk=3 * (ONE + 2500))
    for number, one in enumerate(some[:3]):
        kept.put(one)
        (path,) = tmp_path.glob(f"*/{one.image_sha256}.npz")
        os.utime(path, (number, number))
    assert kept.get(some[0].image_sha256) is not None, "used now"
    kept.put(some[3])
    there = [kept.get(one.image_sha256) is not None for one in some[:4]]
    assert there == [True, False, True, True]
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*.npz")) <= 3 * (ONE + 2500)


def test_another_model_has_a_folder_of_its_own(cache, model, some):
    cache().put(some[0])
    other = Model(model.backend, model_id="other@1", architecture="tiny")
    assert cache(of=other).get(some[0].image_sha256) is None
    assert cache().get(some[0].image_sha256) is not None


def test_a_file_under_a_wrong_name_is_not_believed(cache, some, caplog, tmp_path):
    cache().put(some[0])
    (path,) = tmp_path.glob("*/*.npz")
    path.rename(path.with_name(f"{some[1].image_sha256}.npz"))
    with caplog.at_level(logging.WARNING):
        assert cache().get(some[1].image_sha256) is None
    assert "made anew" in caplog.text


def test_damaged_files_are_made_anew(cache, some, tmp_path):
    one = some[0]
    cache(memory=0).put(one)
    (path,) = tmp_path.glob("*/*.npz")
    good, dice = path.read_bytes(), random.Random(7)
    for _ in range(400):
        damaged = bytearray(good)
        if dice.random() < 0.3:
            del damaged[dice.randrange(len(good)) :]
        for _ in range(dice.randrange(1, 20)):
            if damaged:
                place = dice.choice([dice.randrange(len(damaged)), dice.randrange(300)])
                damaged[place % len(damaged)] = dice.randrange(256)
        path.write_bytes(damaged)
        read = cache(memory=0).get(one.image_sha256)
        assert read is None or np.array_equal(read.embedding, one.embedding)
    cache(memory=0).put(one)
    assert cache(memory=0).get(one.image_sha256) is not None


def test_a_disk_that_takes_nothing_costs_only_time(model, some, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    kept = EmbeddingCache(blocked, model, 4 * ONE, 4 * ONE)
    kept.put(some[0])
    assert kept.get(some[0].image_sha256) is not None
    assert "was not kept on disk" in caplog.text
