"""``anymask train``: so far, SAM's text token."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anymask.cli.model_choice import (
    CheckpointOption,
    DeviceOption,
    ModelChoice,
    ModelOption,
    OfflineOption,
    check_model,
)
from anymask.cli.models import CacheDirOption, JsonOption, ModelDirOption

train_app = typer.Typer(
    help="Train parts of a model on masks of yours.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@train_app.callback()
def _train() -> None:
    """Train parts of a model on masks of yours."""


@train_app.command("text-token")
def text_token(
    *,
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA...", help="Data sets, see docs/evaluation.md.")
    ],
    clip: Annotated[
        str, typer.Option(metavar="FOLDER", help="A CLIP model with a vision transformer.")
    ],
    steps: Annotated[int, typer.Option(metavar="COUNT", min=1, help="Batches.")] = 2000,
    pictures: Annotated[int, typer.Option(metavar="COUNT", min=1, help="Of each batch.")] = 4,
    masks: Annotated[
        int, typer.Option(metavar="COUNT", min=1, help="Of each picture at most.")
    ] = 16,
    points: Annotated[
        int, typer.Option(metavar="COUNT", min=0, help="Clicks after the first answer.")
    ] = 2,
    learning_rate: Annotated[
        float, typer.Option(metavar="RATE", min=1e-9, help="At its peak.")
    ] = 8e-4,
    smallest_area: Annotated[
        int, typer.Option(metavar="PIXELS", min=1, help="Smaller masks are left out.")
    ] = 100 * 100,
    decoder: Annotated[
        bool,
        typer.Option(
            "--decoder/--no-decoder",
            help="Train the mask decoder as well; a checkpoint is then written beside the token.",
        ),
    ] = True,
    seed: Annotated[int, typer.Option(metavar="NUMBER", min=0, help="Of what is drawn.")] = 0,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder for the files.")
    ] = Path("anymask-text-token"),
    as_json: JsonOption = False,
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = "auto",
    model_dir: ModelDirOption = None,
    cache_dir: CacheDirOption = None,
    offline: OfflineOption = False,
) -> None:
    """Train SAM's text token on masks, with a CLIP model of yours; phrases then are prompts.

    Example: anymask train text-token masks/ --clip clip-vit-large-patch14-336/
    """
    from anymask.cli.train_work import Order, train_token
    from anymask.training.settings import TokenSettings

    choice = ModelChoice(
        model, checkpoint, device, "torch", "fp32", 1024, model_dir, cache_dir, offline
    )
    check_model(choice)
    settings = TokenSettings(
        steps=steps,
        pictures=pictures,
        masks=masks,
        points=points,
        learning_rate=learning_rate,
        smallest_area=smallest_area,
        decoder=decoder,
        seed=seed,
    )
    raise typer.Exit(train_token(data, clip, settings, choice, Order(out.expanduser(), as_json)))
