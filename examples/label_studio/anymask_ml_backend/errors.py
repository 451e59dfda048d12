"""What the back end refuses, with the status it answers."""

from __future__ import annotations


class RequestError(Exception):
    """A request that cannot be answered; the message names what is wrong and what is right.

    Args:
        message: one line.
        status: of the answer.
        code: the kind of error, for programs.
    """

    def __init__(self, message: str, *, status: int = 400, code: str = "bad_request") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
