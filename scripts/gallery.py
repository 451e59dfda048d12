"""Makes the pictures of docs/gallery.md, by the commands that stand beside them there.

Usage: python scripts/gallery.py [FOLDER]

Photos are those that come with the project, all free to use (examples/photos/README.md).
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from anymask.cli import main

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ROOT / "src/anymask/server/samples"
WIDTH_PX = 420


@dataclass(frozen=True)
class Scene:
    """One picture of the gallery: a photo, what is chosen in it, and what is done."""

    name: str
    photo: str
    prompts: tuple[str, ...]
    steps: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """The command's words after ``anymask``."""
        steps = [word for step in self.steps for word in ("--step", step)]
        return ["edit", str(PHOTOS / self.photo), *self.prompts, *steps]


CUP = ("--point", "300,190")
CAT = (
    "--object",
    "point=225,160 point=330,260 point=120,250 background=420,210 background=440,120",
)
WOMAN = ("--object", "point=220,120 point=220,400 point=200,260")
ROCKET = ("--point", "322,200")

SCENES = (
    Scene("blur", "chelsea.jpg", CAT, ("background-blur:radius=14",)),
    Scene("colour", "astronaut.jpg", WOMAN, ("background-colour:colour=#8fb8de",)),
    Scene(
        "gradient",
        "coffee.jpg",
        CUP,
        ("background-gradient:start=#fff3d6,end=#e0a05f,radial=true", "shadow:x=8,y=12,blur=14"),
    ),
    Scene("recolour", "coffee.jpg", CUP, ("recolour:colour=#1f5fbf",)),
    Scene("greyscale", "astronaut.jpg", WOMAN, ("greyscale",)),
    Scene("sticker", "astronaut.jpg", WOMAN, ("sticker:width=7", "shadow:x=4,y=6,blur=8")),
    Scene("glow", "rocket.jpg", ROCKET, ("glow:colour=#ffd166,radius=30",)),
    Scene("pixelate", "astronaut.jpg", ("--box", "172,60,280,200"), ("pixelate:size=14",)),
    Scene("duplicate", "rocket.jpg", ROCKET, ("duplicate:x=-150,scale=0.8",)),
    Scene("delete", "rocket.jpg", ROCKET, ("delete",)),
)


def make(scene: Scene, folder: Path) -> Path:
    """Run a scene's command and save its result small."""
    with tempfile.TemporaryDirectory() as place:
        code = main([*scene.words, "--out", place])
        if code != 0:
            raise SystemExit(f"{scene.name}: exit code {code}")
        (result,) = Path(place).glob("*_edited.png")
        with Image.open(result) as image:
            height = round(image.height * WIDTH_PX / image.width)
            small = image.resize((WIDTH_PX, height), Image.Resampling.LANCZOS)
    target = folder / f"{scene.name}.webp"
    small.save(target, quality=80, method=6)
    return target


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/pictures/gallery"
    where.mkdir(parents=True, exist_ok=True)
    for one in SCENES:
        print(make(one, where))
