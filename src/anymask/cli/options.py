"""From the words of the command line to prompts, with errors that quote the word."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from anymask.cli.exits import UsageError
from anymask.errors import PromptError
from anymask.formats.prompts_json import PromptSpec

KINDS: Final = ("overlay", "mask", "cutout", "json", "geojson")
"""What can be saved of each image."""

PIXEL: Final = "pixel"
MAP: Final = "map"

_POINT_HELP = "give two numbers X,Y in pixels of the image, such as {option}320,240"
_BOX_HELP = "give four numbers X0,Y0,X1,Y1 in pixels of the image, such as {option}80,60,400,300"
_OBJECT_KEYS = ("point", "background", "box", "mask")
_OBJECT_EXAMPLE = '--object "point=320,240 background=10,10 box=80,60,400,300"'


def parse_point(text: str, option: str) -> list[float]:
    """One "X,Y".

    Args:
        text: what was written.
        option: how it was introduced, with its separator, such as "--point ".

    Raises:
        UsageError: not two numbers.
    """
    return _numbers(text, 2, option, _POINT_HELP)


def parse_box(text: str, option: str) -> list[float]:
    """One "X0,Y0,X1,Y1".

    Args:
        text: what was written.
        option: how it was introduced, with its separator, such as "--box ".

    Raises:
        UsageError: not four numbers.
    """
    return _numbers(text, 4, option, _BOX_HELP)


def parse_object(text: str) -> PromptSpec:
    """One object written as "point=X,Y background=X,Y box=X0,Y0,X1,Y1 mask=FILE".

    Raises:
        UsageError: an unknown key, a value that is malformed, or nothing asked for.
    """
    values: dict[str, list[str]] = {key: [] for key in _OBJECT_KEYS}
    for word in _words(text):
        key, equals, value = word.partition("=")
        if not equals or key not in values:
            raise UsageError(
                f"--object {text!r} has {word!r}; allowed are "
                f"{', '.join(f'{key}=' for key in _OBJECT_KEYS)}, such as {_OBJECT_EXAMPLE}"
            )
        values[key].append(value)
    try:
        return build_spec(
            [parse_point(value, "point=") for value in values["point"]],
            [parse_point(value, "background=") for value in values["background"]],
            [parse_box(value, "box=") for value in values["box"]],
            [Path(value) for value in values["mask"]],
        )
    except (PromptError, UsageError) as error:
        raise UsageError(f"--object {text!r}: {error}") from error


def build_spec(
    points: Sequence[Sequence[float]],
    background: Sequence[Sequence[float]],
    boxes: Sequence[Sequence[float]],
    masks: Sequence[Path],
) -> PromptSpec:
    """One object of these parts.

    Raises:
        UsageError: several boxes or masks.
        PromptError: nothing at all, or a value that is wrong.
    """
    for name, several in (("box", boxes), ("mask", masks)):
        if len(several) > 1:
            raise UsageError(
                f"{name} was given {len(several)} times but an object has one {name}; "
                f"for several objects repeat --object, such as {_OBJECT_EXAMPLE}"
            )
    coordinates = [*points, *background]
    return PromptSpec(
        points=coordinates or None,
        labels=[1] * len(points) + [0] * len(background) if coordinates else None,
        box=boxes[0] if boxes else None,
        mask=masks[0].expanduser() if masks else None,
    )


def parse_kinds(text: str) -> tuple[str, ...]:
    """What to save, from "overlay,mask,cutout,json,geojson" or part of it, in that order.

    Raises:
        UsageError: something else.
    """
    wanted = {word.strip() for word in text.split(",") if word.strip()}
    unknown = sorted(wanted.difference(KINDS))
    if unknown or not wanted:
        told = repr(unknown[0]) if unknown else "nothing"
        raise UsageError(f"--save names {told}; give one or more of {','.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in wanted)


def parse_coordinates(text: str) -> str:
    """What the numbers of prompts are: "pixel", "map", or an EPSG code in capitals.

    Raises:
        UsageError: something else.
    """
    word = text.strip()
    if word in (PIXEL, MAP):
        return word
    authority, _, code = word.upper().partition(":")
    if authority != "EPSG" or not (code.isascii() and code.isdigit()):
        raise UsageError(f"--coordinates is {text!r}; give pixel, map, or a CRS such as EPSG:32646")
    return f"EPSG:{int(code)}"


def _numbers(text: str, count: int, option: str, advice: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise UsageError(f"{option}{text!r} is malformed; {advice.format(option=option)}")
    return numbers


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--object {text!r} cannot be split into words: {error}") from error
