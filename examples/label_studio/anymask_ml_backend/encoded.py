"""Encoded pictures, the last few kept: a second click on the same picture takes milliseconds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from anymask import EncodedImage

Pixels = NDArray[np.uint8]


class EncodedPictures:
    """Keeps what was used last; safe to share between threads.

    Args:
        most: how many to keep.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, EncodedImage] = OrderedDict()
        self._lock = threading.Lock()
        # one picture at a time is encoded: the encoder uses all cores by itself
        self._encoding = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(
        self, key: str, read: Callable[[], Pixels], encode: Callable[[Pixels], EncodedImage]
    ) -> EncodedImage:
        """The picture of this key, read and encoded if it is not there."""
        found = self._find(key)
        if found is not None:
            return found
        pixels = read()
        with self._encoding:
            # another thread may have brought it meanwhile
            found = self._find(key)
            return self._keep(key, encode(pixels)) if found is None else found

    def _find(self, key: str) -> EncodedImage | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: str, encoded: EncodedImage) -> EncodedImage:
        with self._lock:
            self._kept[key] = encoded
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return encoded
