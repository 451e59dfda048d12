"""``anymask train text-token`` and the phrases that become prompts by it."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from anymask.words.clip import ClipScorer
from scorers import ColourScorer
from training.conftest import ColourClip, scene, small_model  # noqa: F401  (a fixture)

pytest.importorskip("torch", reason="needs PyTorch")


@pytest.fixture
def clip(monkeypatch):
    monkeypatch.setattr("anymask.words.load.load_scorer", lambda *a, **k: ClipScorer(ColourClip()))
    monkeypatch.setattr(
        "anymask.cli.train_work.load_scorer", lambda *a, **k: ClipScorer(ColourClip())
    )


@pytest.fixture
def small(monkeypatch, small_model):  # noqa: F811
    monkeypatch.setattr("anymask.inference.load.load_model", lambda *a, **k: small_model)
    return small_model


@pytest.fixture
def data(tmp_path):
    """Pictures with a mask file each, as many tools write them."""
    folder = tmp_path / "data"
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for seed in range(2):
        image, masks = scene(seed)
        Image.fromarray(image).save(folder / "images" / f"{seed}.png")
        Image.fromarray(masks["red"]).save(folder / "masks" / f"{seed}.png")
    return folder


QUICK = ("--steps", "2", "--pictures", "1", "--points", "1", "--smallest-area", "50")


def test_a_token_is_trained_and_phrases_are_prompts_by_it(run, data, clip, small, tmp_path):
    ended = run("train", "text-token", data, "--clip", "clip", *QUICK, "--out", tmp_path / "token")
    assert ended.code == 0, ended.err
    assert "step 2 of 2: loss" in ended.out
    record = json.loads((tmp_path / "token" / "text_token.json").read_text())
    assert record["steps_done"] == len(record["losses"]) == 2
    assert (record["pictures"], record["settings"]["seed"]) == (2, 0)
    assert (tmp_path / "token" / "sam.safetensors").stat().st_size > 100_000
    words = ("--token", tmp_path / "token" / "text_token.safetensors", "--threshold", "0")
    picture = data / "images" / "0.png"
    for beside in ((), ("--point", "64,64"), ("--box", "10,10,60,60")):
        ended = run("text", picture, "red", "blue", *words, *beside, "--json")
        assert ended.code == 0, ended.err
        phrases = ended.json["images"][0]["result"]["phrases"]
        assert [one["phrase"] for one in phrases] == ["red", "blue"]
        assert all(one["found"] <= 1 for one in phrases)


def test_an_interruption_keeps_what_is_learnt(run, data, clip, small, monkeypatch, tmp_path):
    from anymask.training.text_token import TokenTrainer

    step, taken = TokenTrainer.step, []

    def interrupted(trainer):
        if len(taken) == 3:
            raise KeyboardInterrupt
        taken.append(step(trainer))
        return taken[-1]

    monkeypatch.setattr(TokenTrainer, "step", interrupted)
    out = tmp_path / "token"
    words = ("--steps", "9", "--no-decoder", *QUICK[2:], "--out", out)
    ended = run("train", "text-token", data, "--clip", "clip", *words)
    assert ended.code == 130
    assert "interrupted after 3 of 9 steps" in ended.err
    assert json.loads((out / "text_token.json").read_text())["steps_done"] == 3
    assert sorted(path.name for path in out.iterdir()) == [
        "text_token.json",
        "text_token.safetensors",
    ]


def test_what_cannot_be_trained_on_is_said(run, data, clip, small, stub, monkeypatch, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run("train", "text-token", empty, "--clip", "clip").code in (1, 2)
    ended = run("train", "text-token", data, "--clip", "clip", "--steps", "1")
    assert ended.code == 1
    assert "needs the PyTorch engine" in ended.err
    monkeypatch.setattr("anymask.cli.train_work.load_scorer", lambda *a, **k: ColourScorer())
    ended = run("train", "text-token", data, "--clip", "offline", "--steps", "1")
    assert ended.code == 2
    assert "is no CLIP model" in ended.err


def test_a_token_needs_the_clip_it_was_trained_with(run, data, small, monkeypatch):
    monkeypatch.setattr("anymask.words.load.load_scorer", lambda *a, **k: ColourScorer())
    from anymask.nn.checkpoints import tensor_bytes
    from anymask.nn.text.token import TextToken

    path = data / "token.safetensors"
    path.write_bytes(tensor_bytes(TextToken(3, 64).state_dict()))
    ended = run("text", data / "images" / "0.png", "red", "--token", path)
    assert ended.code == 1
    assert "give the CLIP model that it was trained with" in ended.err


@pytest.mark.parametrize("words", [("train",), ("evaluate",)])
def test_a_group_of_commands_alone_shows_its_help(run, words):
    ended = run(*words)
    assert ended.code == 2
    assert f"Usage: anymask {words[0]}" in ended.err
    assert "Commands:" in ended.err
