"""How the back end is set up: from the environment, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Settings:
    """What the back end may do.

    Attributes:
        host: address of Label Studio, such as "http://localhost:8080"; the only place pictures are
            fetched from. Empty: none are.
        token: access token of a Label Studio user, sent to `host` only.
        folder: the only folder pictures are read from, or None.
        output: "brush", "polygon", "both", or "auto": brush where the labelling interface has
            brush labels, else polygons.
        tolerance_px: how far a polygon's outline may leave the pixels.
        most_bytes: of a request, and of a picture.
        most_pixels: of a picture.
        pictures_kept: encoded pictures in memory, 4 MB each.
        timeout_seconds: for a picture to arrive.
        user: name that requests must bring (HTTP Basic), or empty.
        password: likewise.
    """

    host: str = ""
    token: str = ""
    folder: Path | None = None
    output: str = "auto"
    tolerance_px: float = 1.0
    most_bytes: int = 64 << 20
    most_pixels: int = 100_000_000
    pictures_kept: int = 16
    timeout_seconds: float = 30.0
    user: str = ""
    password: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot work, at the start rather than at the first click."""
        if self.output not in ("auto", "brush", "polygon", "both"):
            raise ValueError(f"output is {self.output!r}; give auto, brush, polygon or both")
        if self.host and (
            urlsplit(self.host).scheme not in ("http", "https") or not urlsplit(self.host).hostname
        ):
            raise ValueError(f"host is {self.host!r}; give Label Studio's address with http://")
        if bool(self.user) != bool(self.password):
            raise ValueError("give both a user and a password, or neither")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Of the variables that README.md lists; Label Studio's own back ends use the same."""
        folder = environment.get("LABEL_STUDIO_FOLDER")
        return cls(
            host=environment.get("LABEL_STUDIO_URL", "").rstrip("/"),
            token=environment.get("LABEL_STUDIO_API_KEY", ""),
            folder=Path(folder).resolve() if folder else None,
            output=environment.get("ANYMASK_OUTPUT", "auto"),
            user=environment.get("BASIC_AUTH_USER", ""),
            password=environment.get("BASIC_AUTH_PASS", ""),
        )
