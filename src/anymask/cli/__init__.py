"""The command line: ``anymask segment``, ``everything``, ``serve``, ``export``, ``evaluate`` ...

Parsing and printing only; the work is done below. Heavy libraries are imported by the commands
that need them, so that ``anymask --help`` answers at once.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from anymask.cli.cutout import cutout
from anymask.cli.describe import describe
from anymask.cli.detect import detect
from anymask.cli.doctor import doctor
from anymask.cli.edit import edit
from anymask.cli.evaluate import evaluate_app
from anymask.cli.everything import everything
from anymask.cli.exits import (
    DONE,
    FAILED,
    INTERRUPTED,
    USAGE,
    UsageError,
    echo_json,
    error_record,
    fail,
    one_line,
)
from anymask.cli.export import export
from anymask.cli.inpaint import inpaint
from anymask.cli.models import models_app
from anymask.cli.restore import restore
from anymask.cli.segment import segment
from anymask.cli.serve import serve
from anymask.cli.similar import similar
from anymask.cli.text import text
from anymask.cli.train import train_app
from anymask.errors import AnymaskError
from anymask.version import __version__

__all__ = ["create_app", "main"]

# the base of everything the parser refuses, whichever version of it is installed
_ParserError: type[Exception] = typer.BadParameter.__mro__[1]


def create_app(*, pretty: bool = False) -> typer.Typer:
    """The commands.

    Args:
        pretty: draw help with boxes and colours, for terminals.
    """
    app = typer.Typer(
        name="anymask",
        help="Segment anything: a click, a box or a mask on any picture gives masks.",
        rich_markup_mode="rich" if pretty else None,
        pretty_exceptions_enable=False,
        add_completion=pretty,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    app.command()(segment)
    app.command()(everything)
    app.command()(text)
    app.command()(detect)
    app.command()(describe)
    app.command()(similar)
    app.command()(cutout)
    app.command()(edit)
    app.command()(inpaint)
    app.command()(restore)
    app.command()(serve)
    app.command()(export)
    app.add_typer(evaluate_app, name="evaluate")
    app.add_typer(train_app, name="train")
    app.add_typer(models_app, name="models")
    app.command()(doctor)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: without the program's name; None takes the process's.

    Returns:
        The exit code: 0 done, 1 something failed, 2 wrong usage, 130 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    as_json = "--json" in words
    command = typer.main.get_command(create_app(pretty=sys.stdout.isatty()))
    with _warnings_on_stderr():
        try:
            code = command.main(words, prog_name="anymask", standalone_mode=False)
        except _ParserError as error:
            return _refuse(error, as_json=as_json)
        except BrokenPipeError:
            return _stop_printing()
        except (AnymaskError, OSError, MemoryError) as error:
            return fail(error, as_json=as_json)
        except (KeyboardInterrupt, typer.Abort):
            typer.echo("interrupted", err=True)
            return INTERRUPTED
        except Exception as error:
            if as_json:  # a bug of ours: its traceback follows on stderr
                echo_json({"error": error_record(error)})
            raise
    return code if isinstance(code, int) else DONE


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"anymask {__version__}")
        raise typer.Exit(DONE)


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Take the options that stand before a command; the version's callback does its work."""


def _refuse(error: Exception, *, as_json: bool) -> int:
    """Tell of a word that the parser does not understand, with where to read on."""
    format_message = getattr(error, "format_message", error.__str__)
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
        typer.echo(context.get_help(), err=True)
        return USAGE
    path = context.command_path if context else "anymask"
    message = one_line(format_message()).rstrip(".")
    fail(UsageError(f"{message}; see {path} --help"), as_json=as_json)
    return USAGE


def _stop_printing() -> int:
    """The reader of a pipe went away: nothing more can be printed, not even at the very end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


class _StderrHandler(logging.Handler):
    """Prints to what is stderr at that moment, so that a progress bar is not torn."""

    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(f"{record.levelname.lower()}: {one_line(record.getMessage())}", err=True)


@contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    """Shows the library's warnings while a command runs."""
    logger, handler = logging.getLogger("anymask"), _StderrHandler(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
