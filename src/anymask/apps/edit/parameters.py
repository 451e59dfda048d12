"""Parameters of steps: what they may be, checked in a recipe's JSON and in words alike."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from anymask.apps.edit.colours import parse_colour
from anymask.errors import ImageError

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class Kind(Protocol):
    """What a parameter may be."""

    def check(self, value: Any) -> Any:
        """The value as a step takes it; ValueError says what is allowed."""

    def parse(self, text: str) -> Any:
        """A value written as a word; still to be checked."""

    def describe(self) -> str:
        """What is allowed, for help: "0 to 4"."""


@dataclass(frozen=True)
class Number:
    """A number within bounds, both of them allowed."""

    low: float
    high: float

    def check(self, value: Any) -> float:
        """A finite number within the bounds."""
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not (good and math.isfinite(value) and self.low <= value <= self.high):
            raise ValueError(f"a number from {self.describe()}")
        return float(value)

    def parse(self, text: str) -> Any:
        """A number, or the word itself where it is none."""
        try:
            return float(text)
        except ValueError:
            return text

    def describe(self) -> str:
        """The bounds."""
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    options: tuple[str, ...]

    def check(self, value: Any) -> str:
        """One of the options."""
        if value not in self.options:
            raise ValueError(f"one of {', '.join(self.options)}")
        return str(value)

    def parse(self, text: str) -> Any:
        """The word."""
        return text

    def describe(self) -> str:
        """The options."""
        return "|".join(self.options)


@dataclass(frozen=True)
class Colour:
    """A colour as people write it."""

    def check(self, value: Any) -> str:
        """Text that is a colour."""
        try:
            parse_colour(value if isinstance(value, str) else "")
        except ImageError as error:
            raise ValueError("a colour such as #ff8800 or white") from error
        return str(value)

    def parse(self, text: str) -> Any:
        """The word."""
        return text

    def describe(self) -> str:
        """What a colour looks like."""
        return "#rrggbb"


@dataclass(frozen=True)
class Flag:
    """Yes or no."""

    def check(self, value: Any) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            raise ValueError("true or false")
        return value

    def parse(self, text: str) -> Any:
        """True or false, or the word itself where it is neither."""
        word = text.lower()
        return word in _TRUE if word in (*_TRUE, *_FALSE) else text

    def describe(self) -> str:
        """Both."""
        return "true|false"


@dataclass(frozen=True)
class Name:
    """Text that is not empty, such as a file's name."""

    def check(self, value: Any) -> str:
        """The text."""
        if not isinstance(value, str) or not value.strip():
            raise ValueError("the name of a picture")
        return value

    def parse(self, text: str) -> Any:
        """The word."""
        return text

    def describe(self) -> str:
        """What it names."""
        return "FILE"


def number(default: float, low: float, high: float, about: str) -> Any:
    """A field of a step: a number."""
    return _field(default, Number(low, high), about)


def choice(default: str, options: Sequence[str], about: str) -> Any:
    """A field of a step: one of a few words, the first of them mostly the default."""
    return _field(default, Choice(tuple(options)), about)


def colour(default: str, about: str) -> Any:
    """A field of a step: a colour."""
    return _field(default, Colour(), about)


def flag(default: bool, about: str) -> Any:
    """A field of a step: yes or no."""
    return _field(default, Flag(), about)


def name(about: str) -> Any:
    """A field of a step: the name of a picture, which has to be given."""
    return _field(dataclasses.MISSING, Name(), about)


def kind_of_field(field: dataclasses.Field[Any]) -> Kind:
    """What a field of a step may be."""
    kind: Kind = field.metadata["kind"]
    return kind


def _field(default: Any, kind: Kind, about: str) -> Any:
    metadata = {"kind": kind, "about": about}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)
