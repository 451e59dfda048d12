"""``anymask models``: which weights there are, where they come from, where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from anymask.cli.exits import FAILED, UsageError, echo_columns, echo_json, error_record
from anymask.cli.progress import ProgressBar
from anymask.errors import AnymaskError, WeightsError
from anymask.io.weights import cache
from anymask.io.weights.fetch import ensure
from anymask.io.weights.zoo import DEFAULT_MODEL, TEXT, TEXT_ZOO, ZOO, ZooEntry, find_entry

models_app = typer.Typer(
    help="List the models, or fetch them.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ModelDirOption = Annotated[
    Path | None,
    typer.Option(
        "--model-dir", metavar="FOLDER", help="Your own folder of weight files, searched first."
    ),
]
CacheDirOption = Annotated[
    Path | None,
    typer.Option("--cache-dir", metavar="FOLDER", help="Where fetched weights are kept."),
]


@models_app.callback()
def list_models(
    context: typer.Context,
    as_json: JsonOption = False,
    licences: Annotated[
        bool, typer.Option("--licences", help="Licence and training data of each model.")
    ] = False,
    model_dir: ModelDirOption = None,
    cache_dir: CacheDirOption = None,
) -> None:
    """List the models: size, licence, source, sha256, and where they lie on this machine."""
    if context.invoked_subcommand:
        return
    records = [model_record(entry, cache_dir, model_dir) for entry in (*ZOO, *TEXT_ZOO)]
    if as_json:
        folder = str(cache.resolve_cache_dir(cache_dir))
        echo_json({"default": DEFAULT_MODEL, "cache_dir": folder, "models": records})
    elif licences:
        _print_licences()
    else:
        _print_models(records)


@models_app.command("pull", hidden=True)
@models_app.command("fetch")
def fetch_models(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME", help="Such as vit_t or vit_b; text for words.")
    ],
    as_json: JsonOption = False,
    model_dir: ModelDirOption = None,
    cache_dir: CacheDirOption = None,
) -> None:
    """Bring weights into the cache; what is there already is only checked."""
    entries = [entry for name in names for entry in _asked(name)]
    records, failures = [], 0
    with ProgressBar() as progress:
        for entry in entries:
            try:
                ensure(entry, cache_dir=cache_dir, model_dir=model_dir, progress=progress)
            except (AnymaskError, OSError) as error:
                failures += 1
                records.append({"name": entry.name, "error": error_record(error)})
            else:
                records.append(model_record(entry, cache_dir, model_dir))
    _print_fetched(records, as_json=as_json)
    raise typer.Exit(FAILED if failures else 0)


def _asked(name: str) -> tuple[ZooEntry, ...]:
    """One model, or all that words need."""
    return TEXT_ZOO if name.strip().lower() == TEXT else (find_known(name),)


def find_known(name: str) -> ZooEntry:
    """The entry of the zoo with this name.

    Raises:
        UsageError: there is none.
    """
    try:
        return find_entry(name)
    except WeightsError as error:
        raise UsageError(str(error)) from error


def model_record(
    entry: ZooEntry, cache_dir: Path | None = None, model_dir: Path | None = None
) -> dict[str, Any]:
    """What is known about a model, and where its files lie here."""
    record: dict[str, Any] = {
        "name": entry.name,
        "aliases": list(entry.aliases),
        "title": entry.title,
        "architecture": entry.architecture,
        "parameters": entry.parameters,
        "bytes": entry.total_bytes,
        "licence": entry.licence,
        "data": entry.data,
        "sources": [str(source) for source in entry.sources],
        "files": [
            {"name": file.name, "bytes": file.bytes, "sha256": file.sha256} for file in entry.files
        ],
        "paths": [],
        "problem": None,
    }
    try:
        located = cache.locate(entry, cache_dir=cache_dir, model_dir=model_dir)
    except WeightsError as error:
        return {**record, "problem": str(error)}
    if located is not None:
        paths = list(located.files.values()) or [located.converted]
        record["paths"] = [str(path) for path in paths]
    return record


def megabytes(count: int) -> str:
    """Bytes in decimal megabytes, such as "44.6 MB"."""
    return f"{count / 1e6:,.1f} MB"


def _print_models(records: list[dict[str, Any]]) -> None:
    header = ["MODEL", "ARCHITECTURE", "SIZE", "LICENCE", "ON THIS MACHINE"]
    rows = [
        [
            record["name"] + (" (default)" if record["name"] == DEFAULT_MODEL else ""),
            record["architecture"],
            megabytes(record["bytes"]),
            record["licence"],
            _where(record),
        ]
        for record in records
    ]
    echo_columns([header, *rows])
    for record in records:
        typer.echo(f"\n{record['name']}: {record['title']}")
        echo_columns(_details(record), indent="  ")


def _where(record: dict[str, Any]) -> str:
    if record["problem"]:
        return "damaged, see below"
    return str(Path(record["paths"][0]).parent) if record["paths"] else "not yet"


def _details(record: dict[str, Any]) -> list[list[str]]:
    rows = [["source", source] for source in record["sources"]]
    for file in record["files"]:
        rows.append(["file", f"{file['name']}, {file['bytes']:,} bytes"])
        rows.append(["sha256", file["sha256"]])
    rows += [["problem", record["problem"]]] if record["problem"] else []
    if not record["paths"] and not record["problem"]:
        words = record["name"] in [entry.name for entry in TEXT_ZOO]
        rows.append(["fetch", f"anymask models fetch {TEXT if words else record['name']}"])
    return rows


def _print_licences() -> None:
    echo_columns(
        [["MODEL", "LICENCE", "TRAINED ON"]]
        + [[entry.name, entry.licence, entry.data] for entry in (*ZOO, *TEXT_ZOO)]
    )


def _print_fetched(records: list[dict[str, Any]], *, as_json: bool) -> None:
    for record in records:
        if "error" in record:
            typer.echo(f"error: {record['error']['message']}", err=True)
        elif not as_json:
            typer.echo(f"{record['name']}: {megabytes(record['bytes'])} in {_where(record)}")
    if as_json:
        echo_json({"models": records})
