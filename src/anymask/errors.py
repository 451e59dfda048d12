"""What can go wrong, as exceptions that say what to do about it.

Every error raised on purpose derives from `AnymaskError` and from the standard exception a caller
would expect, so that both `except AnymaskError` and `except ValueError` work. A message is one
line: what was wrong, what came, what is allowed.
"""

from __future__ import annotations


class AnymaskError(Exception):
    """Base of all errors raised on purpose by this package."""


class PromptError(AnymaskError, ValueError):
    """A prompt with a wrong value or shape."""


class PromptTypeError(AnymaskError, TypeError):
    """A prompt made of the wrong kind of thing, such as text where points are expected."""


class ImageError(AnymaskError, ValueError):
    """A picture that cannot be read, or an array that is no picture."""


class WeightsError(AnymaskError, RuntimeError):
    """A weight file that is missing, damaged, unsafe, or made for another model."""


class DownloadError(AnymaskError, OSError):
    """No source of a file could be reached."""


class MaskError(AnymaskError, ValueError):
    """A mask, run-length code or polygon that is malformed."""


class FileFormatError(AnymaskError, ValueError):
    """A file of ours (encoded image, prompts, results) that is malformed or of another version."""


class MissingExtraError(AnymaskError, ImportError):
    """An optional dependency is not installed.

    Args:
        package: import name of what is missing, such as ``"torch"``.
        extra: the extra that brings it, such as ``"torch"``.
        purpose: what it is needed for, as the end of "is needed ...".
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{package} is needed {purpose} but is not installed; "
            f'install it with: pip install "anymask[{extra}]"'
        )
        self.package = package
        self.extra = extra


class DeviceError(AnymaskError, ValueError):
    """A device that does not exist here."""
