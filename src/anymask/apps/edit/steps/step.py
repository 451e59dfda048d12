"""What all steps of an edit have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anymask.apps.edit.edges import EdgeKind
from anymask.apps.edit.scene import Scene, Selection


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something that is done to a picture.

    Attributes:
        edge: of the masks, where a recipe does not say.
        about: what it does, for help.
    """

    edge: ClassVar[EdgeKind] = "soft"
    about: ClassVar[str] = ""

    def run(self, scene: Scene, selection: Selection) -> Scene:
        """The scene with the step done."""
        raise NotImplementedError
