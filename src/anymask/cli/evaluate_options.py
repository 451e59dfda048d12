"""The options that the commands of ``anymask evaluate`` share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

_RUN: Final = "Run"

MaskDataArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="DATA",
        help="COCO file, folder with one, SA-1B folder, images/ with masks/, or a folder of such.",
        show_default=False,
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option(metavar="COUNT", min=1, help="About so many objects a set, drawn by the seed."),
]
PictureLimitOption = Annotated[
    int | None,
    typer.Option(metavar="COUNT", min=1, help="So many pictures a set, drawn by the seed."),
]
SeedOption = Annotated[
    int, typer.Option(metavar="NUMBER", min=0, help="Of all chance; equal seeds, equal results.")
]
OutOption = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        help="Folder for the report, and for what an interrupted run has done.",
        rich_help_panel=_RUN,
    ),
]
WorkersOption = Annotated[
    int,
    typer.Option(metavar="COUNT", min=1, help="Pictures at once.", rich_help_panel=_RUN),
]
EmbeddingsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Keep encoded pictures here (4 MB each), for other runs on the same pictures.",
        rich_help_panel=_RUN,
    ),
]
OverwriteOption = Annotated[
    bool,
    typer.Option("--overwrite", help="Start anew instead of going on.", rich_help_panel=_RUN),
]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option(
        metavar="COUNT",
        min=1,
        help="Largest picture (width x height) that is read.",
        rich_help_panel=_RUN,
    ),
]
DEFAULT_OUT: Final = Path("anymask-evaluation")


@dataclass(frozen=True, slots=True)
class Order:
    """How a run is made, and where it leaves what.

    Attributes:
        out: folder of the report and the journal.
        workers: pictures worked on at once.
        embeddings: folder of encoded pictures, or None.
        overwrite: forget what an earlier run did.
        max_pixels: largest picture that is read, or None for the usual bound.
        as_json: print one JSON object instead of tables.
    """

    out: Path
    workers: int
    embeddings: Path | None
    overwrite: bool
    max_pixels: int | None
    as_json: bool
