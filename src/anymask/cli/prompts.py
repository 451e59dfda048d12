"""The options that say which pictures, which objects in them, and where results go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from anymask.cli.exits import UsageError

if TYPE_CHECKING:
    from anymask.cli.plan import FoundImage
    from anymask.formats.prompts_json import PromptSpec

PROMPTS_PANEL: Final = "What to segment"
OUTPUT_PANEL: Final = "Output"
DEFAULT_OUT: Final = Path("anymask-out")

ImagesArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="IMAGE|FOLDER", help="Pictures, or folders of them."),
]
InputOption = Annotated[
    list[Path] | None, typer.Option("--input", hidden=True, help="The same, as SAM names it.")
]
PointOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="X,Y",
        help="A pixel of the object; may be repeated.",
        rich_help_panel=PROMPTS_PANEL,
    ),
]
BackgroundOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="X,Y",
        help="A pixel that is not of the object; may be repeated.",
        rich_help_panel=PROMPTS_PANEL,
    ),
]
BoxOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="X0,Y0,X1,Y1", help="A box around the object.", rich_help_panel=PROMPTS_PANEL
    ),
]
ReadyMaskOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="MASK.png",
        help="The object's mask, taken as it is; with points or a box, refined by them.",
        rich_help_panel=PROMPTS_PANEL,
    ),
]
ObjectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--object",
        metavar='"point=X,Y ..."',
        help="One more object, by point= background= box= mask=; may be repeated.",
        rich_help_panel=PROMPTS_PANEL,
    ),
]
PromptsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.json",
        help="Objects for every image, or by file name; see docs/cli.md.",
        rich_help_panel=PROMPTS_PANEL,
    ),
]
RankOption = Annotated[
    Literal["plausibility", "predicted_iou"],
    typer.Option(
        help="Which answer is chosen: the most plausible, or as SAM does by predicted IoU.",
        rich_help_panel=PROMPTS_PANEL,
    ),
]
ZoomOption = Annotated[
    bool,
    typer.Option(
        "--zoom",
        help="Look at small objects again in a part of the picture, at an encoding each.",
        rich_help_panel=PROMPTS_PANEL,
    ),
]
RecursiveOption = Annotated[
    bool, typer.Option("--recursive", "-r", help="Also the folders inside a folder.")
]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option(metavar="COUNT", min=1, help="Largest picture (width x height) that is read."),
]
OutOption = Annotated[
    Path,
    typer.Option(
        "--out",
        "--output",
        "-o",
        metavar="FOLDER",
        help="Folder for the results.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]


@dataclass(frozen=True, slots=True)
class PromptWords:
    """The prompts as they were written."""

    point: Sequence[str]
    background: Sequence[str]
    box: Sequence[str]
    mask: Sequence[Path]
    object: Sequence[str]
    file: Path | None

    @property
    def given(self) -> bool:
        """Whether there is any."""
        several = (self.point, self.background, self.box, self.mask, self.object)
        return any(several) or self.file is not None


def with_prompts(
    images: Sequence[FoundImage], words: PromptWords
) -> list[tuple[FoundImage, tuple[PromptSpec, ...]]]:
    """Each image with the objects asked of it; none for one that the prompts file leaves out.

    Raises:
        UsageError: no prompt, or one that is malformed.
        FileFormatError: a prompts file that is.
    """
    if words.file is None:
        specs = _specs(words)
        return [(image, specs) for image in images]
    if any((words.point, words.background, words.box, words.mask, words.object)):
        raise UsageError("--prompts was given with other prompts; write them into the file as well")
    from anymask.formats.prompts_json import read_prompts

    prompts = read_prompts(words.file)
    matched = [(image, prompts.specs(image.path)) for image in images]
    if not any(specs for _, specs in matched):
        keys = ", ".join(sorted(prompts.by_name)[:5])
        raise UsageError(
            f"{words.file} names none of the {len(images)} images; it has {keys}; "
            "give file names as keys, or one list for every image"
        )
    used = {prompts.match(image.path) for image in images}
    _note_unused([key for key in prompts.by_name if key not in used], words.file)
    return matched


def _note_unused(names: Sequence[str], file: Path) -> None:
    """A misspelt file name would else go unnoticed."""
    if names:
        told = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        typer.echo(f"note: no image given has these names of {file}: {told}", err=True)


def _specs(words: PromptWords) -> tuple[PromptSpec, ...]:
    from anymask.cli.options import build_spec, parse_box, parse_object, parse_point

    specs = []
    if any((words.point, words.background, words.box, words.mask)):
        specs.append(
            build_spec(
                [parse_point(text, "--point ") for text in words.point],
                [parse_point(text, "--background ") for text in words.background],
                [parse_box(text, "--box ") for text in words.box],
                words.mask,
            )
        )
    specs += [parse_object(text) for text in words.object]
    if not specs:
        raise UsageError(
            "no prompt was given; give --point X,Y, --box X0,Y0,X1,Y1, --mask FILE, --object or "
            "--prompts FILE.json"
        )
    for spec in specs:
        if spec.mask is not None:
            spec.load()  # a mask that cannot be read is told before the model is loaded
    return tuple(specs)
