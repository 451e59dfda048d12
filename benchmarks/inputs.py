"""Pictures and weights that all implementations get, as files in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from anymask.geometry.frames import Frame

REPOSITORY = Path(__file__).resolve().parents[1]
WIDE_PHOTO = REPOSITORY.parent / "shared/data/G/odd_images/truck.jpg"
WIDE_SIZE_HW = (1280, 1920)
JUDGED = ("astronaut", "coffee", "chelsea", "rocket")
CLICK_XY = (300.0, 190.0)


@dataclass(frozen=True)
class Inputs:
    """Where they are.

    Attributes:
        folder: holds them all.
        photos: (H, W, 3) uint8 arrays by name: "small" and "wide" for everything mode, and the
            pictures that quality is judged on, as .npy files.
    """

    folder: Path
    photos: dict[str, Path]

    def checkpoint(self, architecture: str) -> Path:
        """The weights as a `torch.save` file, made when first asked for."""
        path = self.folder / f"{architecture}.pth"
        if not path.exists():
            _write_checkpoint(architecture, path)
        return path

    def photo(self, name: str) -> np.ndarray:
        """The pixels."""
        return np.load(self.photos[name])

    def size_hw(self, name: str) -> tuple[int, int]:
        """Height and width."""
        height, width = np.load(self.photos[name], mmap_mode="r").shape[:2]
        return height, width

    def canvas(self, name: str) -> Path:
        """The picture with its longer side at 1024 pixels, as the encoder takes it."""
        path = self.folder / f"{name}_1024.npy"
        if not path.exists():
            height, width = Frame(self.size_hw(name)).resized_hw
            image = Image.fromarray(self.photo(name))
            np.save(path, np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)))
        return path

    def png(self, name: str) -> Path:
        """The picture as a PNG file."""
        path = self.folder / f"{name}.png"
        if not path.exists():
            Image.fromarray(self.photo(name)).save(path)
        return path


def prepare(folder: Path, wide_photo: Path | None) -> Inputs:
    """Write the pictures."""
    from skimage import data

    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: getattr(data, name)() for name in JUDGED}
    arrays |= {"small": data.astronaut(), "wide": _wide(wide_photo)}
    photos = {name: folder / f"{name}.npy" for name in arrays}
    for name, array in arrays.items():
        np.save(photos[name], array)
        for made in (f"{name}_1024.npy", f"{name}.png"):
            (folder / made).unlink(missing_ok=True)
    return Inputs(folder, photos)


def grid_xy(size_hw: tuple[int, int], columns: int, rows: int) -> list[list[float]]:
    """Points in a regular grid over the picture, centres of its cells."""
    height, width = size_hw
    return [
        [(column + 0.5) * width / columns, (row + 0.5) * height / rows]
        for row in range(rows)
        for column in range(columns)
    ]


def _wide(path: Path | None) -> np.ndarray:
    """A photo 1920 pixels wide."""
    path = path or (WIDE_PHOTO if WIDE_PHOTO.exists() else None)
    if path is not None:
        image = Image.open(path).convert("RGB")
        height = round(image.height * WIDE_SIZE_HW[1] / image.width)
        size = (WIDE_SIZE_HW[1], height)
        return np.asarray(image if image.size == size else image.resize(size))
    from skimage import data

    height, width = WIDE_SIZE_HW
    return np.asarray(Image.fromarray(data.coffee()).resize((width, height)))


def _write_checkpoint(architecture: str, path: Path) -> None:
    import torch
    from original import default_state

    if architecture == "vit_t":
        torch.save(default_state(), path)
        return
    from anymask.nn.zoo import build_sam

    torch.manual_seed(0)
    sam = build_sam(architecture)
    for name, parameter in sam.named_parameters():
        if "rel_pos" in name or name.endswith("pos_embed"):
            # Zero at the start of training: random ones make their share of the work count.
            torch.nn.init.normal_(parameter, std=0.02)
    torch.save(sam.state_dict(), path)
