"""Photos that come with the package, to try things on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

FOLDER: Final = Path(__file__).parent / "samples"


@dataclass(frozen=True, slots=True)
class SamplePhoto:
    """One of them.

    Attributes:
        title: for people.
        width: in pixels.
        height: in pixels.
    """

    title: str
    width: int
    height: int


SAMPLES: Final = MappingProxyType(
    {
        "coffee.jpg": SamplePhoto("Coffee", 600, 400),
        "astronaut.jpg": SamplePhoto("Astronaut", 512, 512),
        "chelsea.jpg": SamplePhoto("Cat", 451, 300),
        "rocket.jpg": SamplePhoto("Rocket", 640, 427),
    }
)
"""By file name; docs/server.md says where they come from."""


def sample_bytes(name: str) -> bytes:
    """The content of a sample's file; only names in `SAMPLES` are ever opened."""
    return (FOLDER / name).read_bytes()
