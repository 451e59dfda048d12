"""Segment Anything as software: a click, a box or a mask on any picture gives masks.

Example:
    >>> import anymask
    >>> model = anymask.load_model("vit_t")  # doctest: +SKIP
    >>> masks = model.segment("photo.jpg", anymask.Prompt(points=[(320, 240)]))  # doctest: +SKIP
    >>> masks.array[0]  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from anymask.version import __version__

if TYPE_CHECKING:
    from anymask.errors import AnymaskError
    from anymask.inference.encoded import EncodedImage
    from anymask.inference.everything.generate import everything
    from anymask.inference.everything.settings import EverythingSettings
    from anymask.inference.load import load_model
    from anymask.inference.segment import Model
    from anymask.inference.zoom import segment_zoomed
    from anymask.types.masks import Masks
    from anymask.types.progress import Progress
    from anymask.types.prompt import Prompt
    from anymask.types.records import MaskRecord
    from anymask.words.find import segment_text
    from anymask.words.load import load_scorer

__all__ = [
    "AnymaskError",
    "EncodedImage",
    "EverythingSettings",
    "MaskRecord",
    "Masks",
    "Model",
    "Progress",
    "Prompt",
    "__version__",
    "everything",
    "load_model",
    "load_scorer",
    "segment_text",
    "segment_zoomed",
]

_HOMES = {
    "AnymaskError": "anymask.errors",
    "EncodedImage": "anymask.inference.encoded",
    "EverythingSettings": "anymask.inference.everything.settings",
    "MaskRecord": "anymask.types.records",
    "Masks": "anymask.types.masks",
    "Model": "anymask.inference.segment",
    "Progress": "anymask.types.progress",
    "Prompt": "anymask.types.prompt",
    "everything": "anymask.inference.everything.generate",
    "load_model": "anymask.inference.load",
    "load_scorer": "anymask.words.load",
    "segment_text": "anymask.words.find",
    "segment_zoomed": "anymask.inference.zoom",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package stays cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module 'anymask' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
