"""What ``anymask train text-token`` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray

from anymask.cli.exits import DONE, INTERRUPTED, UsageError, echo_json
from anymask.cli.model_choice import ModelChoice, load
from anymask.cli.progress import ProgressBar
from anymask.errors import MissingExtraError
from anymask.evaluation.sets.find import find_mask_sets
from anymask.evaluation.truth import TruePicture
from anymask.io.files import write_bytes_atomic, write_json_atomic
from anymask.io.images import read_image
from anymask.training.settings import TokenSettings
from anymask.types.progress import Progress
from anymask.types.records import CompactMask
from anymask.words.clip import ClipScorer
from anymask.words.load import load_scorer

if TYPE_CHECKING:
    from anymask.training.text_token import PictureWithMasks, TokenTrainer

PROJECTION_FILE: Final = "text_token.safetensors"
CHECKPOINT_FILE: Final = "sam.safetensors"
RECORD_FILE: Final = "text_token.json"
TOLD_TIMES: Final = 10


@dataclass(frozen=True, slots=True)
class Order:
    """Where files go, and how it is told.

    Attributes:
        out: the folder.
        as_json: for machines.
    """

    out: Path
    as_json: bool


def train_token(
    data: Sequence[Path], clip: str, settings: TokenSettings, choice: ModelChoice, order: Order
) -> int:
    """Train a text token and keep it; an interruption keeps what is learnt so far.

    Returns:
        The exit code.

    Raises:
        UsageError: data without masks, or a scorer that is no CLIP model.
        MissingExtraError: PyTorch is not installed.
    """
    try:
        from anymask.training.text_token import TokenTrainer
    except ImportError as error:
        raise MissingExtraError("torch", "clip", "to train") from error
    sets = find_mask_sets(data)
    pictures = [_reader(one) for part in sets for one in part.pictures if one.truths]
    if not pictures:
        raise UsageError(f"{data[0]} has no masks to learn from")
    losses: list[float] = []
    interrupted = False
    with ProgressBar() as progress:
        scorer = load_scorer(clip, offline=choice.offline)
        if not isinstance(scorer, ClipScorer):
            raise UsageError(f"--clip {clip!r} is no CLIP model; give the folder of one")
        model = load(choice, progress)
        trainer = TokenTrainer(model, scorer.network, pictures, settings)
        try:
            for step in range(settings.steps):
                losses.append(trainer.step())
                progress(Progress("train", step + 1, settings.steps, "steps"))
                if not order.as_json and _is_told(step, settings.steps):
                    recent = np.mean(losses[-max(1, settings.steps // TOLD_TIMES) :])
                    typer.echo(f"step {step + 1} of {settings.steps}: loss {recent:.3f}")
        except KeyboardInterrupt:
            interrupted = True
    if not losses:
        typer.echo("interrupted before anything was learnt", err=True)
        return INTERRUPTED
    record = {
        "schema": "anymask.text_token/1",
        "model": {"id": model.model_id, "architecture": model.architecture},
        "clip": clip,
        "settings": asdict(settings),
        "data": [str(one.path) for one in sets],
        "pictures": len(pictures),
        "steps_done": len(losses),
        "losses": [round(one, 5) for one in losses],
    }
    saved = _save(trainer, settings, order.out, record)
    if order.as_json:
        told = {"interrupted": interrupted, "saved": [str(path) for path in saved]}
        echo_json({**record, **told})
    else:
        if interrupted:
            typer.echo(f"interrupted after {len(losses)} of {settings.steps} steps", err=True)
        for path in saved:
            typer.echo(f"  {path}")
    return INTERRUPTED if interrupted else DONE


def _is_told(step: int, steps: int) -> bool:
    return (step + 1) % max(1, steps // TOLD_TIMES) == 0 or step + 1 == steps


def _reader(picture: TruePicture) -> PictureWithMasks:
    def read() -> tuple[NDArray[np.uint8], list[CompactMask]]:
        image_rgb = read_image(picture.path)
        masks = [CompactMask.from_array(one.mask()) for one in picture.truths if not one.crowd]
        size = image_rgb.shape[:2]
        fitting = [one for one in masks if one.size_hw == size and one.area]
        return image_rgb, fitting

    return read


def _save(
    trainer: TokenTrainer, settings: TokenSettings, out: Path, record: dict[str, Any]
) -> list[Path]:
    from anymask.nn.checkpoints import tensor_bytes

    out.mkdir(parents=True, exist_ok=True)
    saved = [write_bytes_atomic(out / PROJECTION_FILE, tensor_bytes(trainer.token.state_dict()))]
    if settings.decoder:
        saved.append(
            write_bytes_atomic(out / CHECKPOINT_FILE, tensor_bytes(trainer.sam.state_dict()))
        )
    saved.append(write_json_atomic(out / RECORD_FILE, record))
    return saved
