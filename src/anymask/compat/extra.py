"""Says what to install where a published name cannot work without PyTorch."""

from __future__ import annotations

from importlib.util import find_spec

from anymask.errors import MissingExtraError


def require_torch(purpose: str) -> None:
    """Check that PyTorch is there.

    Args:
        purpose: what it is needed for, as the end of "is needed ...".

    Raises:
        MissingExtraError: it is not.
    """
    if find_spec("torch") is None:
        raise MissingExtraError("torch", "torch", purpose)
