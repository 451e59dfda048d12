"""What is measured, on whom, and how often: tables that run.py goes through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crew import Variant

ORIGINAL = Variant("original (PyTorch, eager)", "original")
TRANSFORMERS = Variant("transformers SamModel", "transformers")
ONNXRUNTIME = Variant("onnxruntime, the model's files", "onnxruntime")


def ours(engine: str, precision: str, extra: str = "", **parameters: Any) -> Variant:
    """This package with an engine and a precision."""
    options = {"engine": engine, "precision": precision}
    return Variant(f"anymask {engine} {precision}{extra}", "anymask", options, parameters)


OPENVINO = (ours("openvino", "fp32"), ours("openvino", "bf16"))
OURS = (ours("torch", "fp32"), ours("torch", "bf16"), ours("onnx", "fp32"))


@dataclass(frozen=True)
class Task:
    """One table: what is asked, of which model, of whom.

    Attributes:
        title: as the report shows it.
        measure: the name of a function in measures.py.
        variants: the first is what ratios refer to.
        rounds: timed repetitions; `quick_rounds` with --quick.
        burst: timed calls in a row in each round, after one that is not timed; short calls are
            measured warm, since another implementation has just had the caches.
        long: a single repetition takes minutes; it is not warmed up with itself.
        options: for the measuring function.
    """

    title: str
    measure: str
    variants: tuple[Variant, ...]
    rounds: int
    quick_rounds: int
    architecture: str = "vit_t"
    burst: int = 1
    long: bool = False
    options: tuple[tuple[str, Any], ...] = ()


PEERS = (ORIGINAL, TRANSFORMERS, ONNXRUNTIME)
EVERYTHING = (
    ORIGINAL,
    *OURS,
    ours("torch", "fp32", ", preset fast", preset="fast"),
    ours("torch", "bf16", ", preset fast", preset="fast"),
)

TASKS = {
    "encoder": Task(
        "Encoder of the default model, a 1024 x 1024 picture to its embedding",
        "encoder",
        (ORIGINAL, ONNXRUNTIME, *OURS, *OPENVINO),
        rounds=9,
        quick_rounds=3,
    ),
    "encoder_vit_b": Task(
        "Encoder of ViT-B (random weights), a 1024 x 1024 picture to its embedding",
        "encoder",
        (ORIGINAL, TRANSFORMERS, *OURS, *OPENVINO),
        rounds=3,
        quick_rounds=1,
        architecture="vit_b",
    ),
    "click": Task(
        "Decoder, one click on an encoded picture, three candidates",
        "decoder",
        (*PEERS, *OURS),
        rounds=7,
        quick_rounds=2,
        burst=5,
        options=(("count", 1),),
    ),
    "first_click": Task(
        "Decoder, the first click on a picture just encoded",
        "decoder",
        (*PEERS, *OURS),
        rounds=7,
        quick_rounds=2,
        burst=5,
        options=(("count", 1), ("first", True)),
    ),
    "click_to_mask": Task(
        "One click to a mask of the picture's size, 512 x 512",
        "click_to_mask",
        (ORIGINAL, ONNXRUNTIME, *OURS),
        rounds=7,
        quick_rounds=2,
        burst=5,
    ),
    "decode64": Task(
        "Decoder, 64 clicks in one call, three candidates each",
        "decoder",
        (*PEERS, *OURS),
        rounds=5,
        quick_rounds=2,
        options=(("count", 64),),
    ),
    "everything_512": Task(
        "Everything, 512 x 512 photo (astronaut)",
        "everything",
        EVERYTHING,
        rounds=3,
        quick_rounds=1,
        long=True,
        options=(("photo", "small"),),
    ),
    "everything_1920": Task(
        "Everything, photo {width} x {height}",
        "everything",
        EVERYTHING,
        rounds=1,
        quick_rounds=1,
        long=True,
        options=(("photo", "wide"),),
    ),
}
COLD_START = "cold_start"
COLD_TITLE = "Cold start: process start to mask on disk, 512 x 512 photo, weights in the cache"
COLD_ROUNDS, COLD_QUICK_ROUNDS = 7, 3
QUICK_EVERYTHING = {"points_per_side": 8}
