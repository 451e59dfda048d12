from __future__ import annotations

import json

import pytest

from anymask.errors import DownloadError
from anymask.io.weights.zoo import TEXT_ZOO, ZOO


def test_table_names_every_model_with_licence_and_hash(run, tmp_path):
    ended = run("models", "--cache-dir", tmp_path)
    assert (ended.code, ended.err) == (0, "")
    for entry in ZOO:
        assert entry.name in ended.out
        assert entry.licence in ended.out
        assert all(file.sha256 in ended.out for file in entry.files)
    assert "not yet" in ended.out
    assert ended.out.isascii()


def test_json_tells_the_same(run, tmp_path):
    listed = run("models", "--json", "--cache-dir", tmp_path).json
    assert listed["default"] == "vit_t"
    assert listed["cache_dir"] == str(tmp_path)
    known = [entry.name for entry in (*ZOO, *TEXT_ZOO)]
    assert [record["name"] for record in listed["models"]] == known
    assert all(record["paths"] == [] for record in listed["models"])


def test_licences_name_the_training_data(run):
    ended = run("models", "--licences")
    assert ended.out.count("SA-1B") >= len(ZOO)


def test_a_wrong_file_in_the_own_folder_is_told_and_does_not_stop_the_list(run, tmp_path):
    (tmp_path / "mobile_sam.pt").write_bytes(b"<html>")
    listed = run("models", "--json", "--cache-dir", tmp_path / "c", "--model-dir", tmp_path).json
    problems = {record["name"]: record["problem"] for record in listed["models"]}
    assert "mobile_sam.pt" in problems["mobile_sam"]
    assert problems["vit_b"] is None
    plain = run("models", "--cache-dir", tmp_path / "c", "--model-dir", tmp_path)
    assert "damaged" in plain.out


def test_fetch_of_an_unknown_model_is_wrong_usage(run):
    ended = run("models", "fetch", "vit_x")
    assert ended.code == 2
    assert "choose one of vit_t" in ended.err


@pytest.mark.parametrize("as_json", [False, True])
def test_fetch_tells_each_failure_and_goes_on(run, monkeypatch, as_json, tmp_path):
    asked = []

    def ensure(entry, **_: object) -> None:
        asked.append(entry.name)
        if entry.name == "vit_b":
            raise DownloadError("no source answered")

    monkeypatch.setattr("anymask.cli.models.ensure", ensure)
    words = ["models", "fetch", "vit_b", "tiny", "--cache-dir", tmp_path]
    ended = run(*words, *["--json"] * as_json)
    assert ended.code == 1
    assert asked == ["vit_b", "vit_t"]
    assert ended.err == "error: no source answered\n"
    if as_json:
        records = json.loads(ended.out)["models"]
        assert records[0]["error"]["type"] == "DownloadError"
        assert records[1]["name"] == "vit_t"
