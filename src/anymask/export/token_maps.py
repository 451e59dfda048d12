"""An image's tokens in a graph: as rows, as a map, cut into windows."""

from __future__ import annotations

from dataclasses import dataclass

from anymask.export.writer import Graph, ints


@dataclass(frozen=True, slots=True)
class TokenMap:
    """A value of the graph: an image's tokens as rows (side * side, channels)."""

    rows: str
    side: int
    channels: int


@dataclass(frozen=True, slots=True)
class Windows:
    """How a map is cut: `count` windows an axis of `side` tokens each; one window is the map."""

    count: int
    side: int

    @classmethod
    def of(cls, map_side: int, side: int) -> Windows:
        """Enough windows to cover a map."""
        return cls(-(-map_side // side), side)

    @property
    def total(self) -> int:
        """Number of windows."""
        return self.count**2

    @property
    def tokens(self) -> int:
        """Tokens of a window."""
        return self.side**2

    @property
    def covered(self) -> int:
        """Side of the padded map."""
        return self.count * self.side


def cut(g: Graph, image: TokenMap, windows: Windows) -> str:
    """Rows of a map to rows of its windows, padded with zeros at the right and bottom."""
    if windows.count == 1 and windows.side == image.side:
        return image.rows
    x = g.op("Reshape", image.rows, ints(image.side, image.side, image.channels))
    missing = windows.covered - image.side
    if missing:
        x = g.op("Pad", x, ints(0, 0, 0, missing, missing, 0))
    x = _swap_window_axes(g, x, windows, image.channels)
    return g.op("Reshape", x, ints(-1, image.channels))


def join(g: Graph, rows: str, image: TokenMap, windows: Windows) -> str:
    """Rows of windows back to rows of their map, without the padding."""
    if windows.count == 1 and windows.side == image.side:
        return rows
    count, side = windows.count, windows.side
    x = g.op("Reshape", rows, ints(count, count, side, side, image.channels))
    x = g.op("Transpose", x, perm=[0, 2, 1, 3, 4])
    x = g.op("Reshape", x, ints(windows.covered, windows.covered, image.channels))
    if windows.covered > image.side:
        x = g.op("Slice", x, ints(0, 0), ints(image.side, image.side), ints(0, 1))
    return g.op("Reshape", x, ints(-1, image.channels))


def _swap_window_axes(g: Graph, x: str, windows: Windows, channels: int) -> str:
    shape = ints(windows.count, windows.side, windows.count, windows.side, channels)
    return g.op("Transpose", g.op("Reshape", x, shape), perm=[0, 2, 1, 3, 4])


def as_rows(g: Graph, image: str, channels: int) -> str:
    """(1, C, H, W) to (H W, C)."""
    return g.op("Transpose", g.op("Reshape", image, ints(channels, -1)), perm=[1, 0])


def as_image(g: Graph, image: TokenMap) -> str:
    """(H W, C) to (1, C, H, W)."""
    x = g.op("Transpose", image.rows, perm=[1, 0])
    return g.op("Reshape", x, ints(1, image.channels, image.side, image.side))
