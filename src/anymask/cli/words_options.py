"""The options that the commands which know words share, and their run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from anymask.cli.exits import UsageError

if TYPE_CHECKING:
    from anymask.cli.model_choice import ModelChoice
    from anymask.cli.outputs import SavedPaths
    from anymask.cli.plan import FoundImage, Job
    from anymask.formats.prompts_json import PromptSpec
    from anymask.inference.segment import Model
    from anymask.words.scorer import RegionTextScorer

WORDS_PANEL: Final = "Words"

ThresholdOption = Annotated[
    float | None,
    typer.Option(
        metavar="SCORE",
        min=0,
        max=1,
        help="Least score of a match; by default what suits the scorer.",
        rich_help_panel=WORDS_PANEL,
    ),
]
TopOption = Annotated[
    int | None,
    typer.Option(
        "--top", metavar="COUNT", min=1, help="Keep so many at most.", rich_help_panel=WORDS_PANEL
    ),
]
ScorerOption = Annotated[
    str,
    typer.Option(
        metavar="NAME|FOLDER",
        help="What knows words: offline, or the folder of a CLIP model; see docs/text.md.",
        rich_help_panel=WORDS_PANEL,
    ),
]
VocabularyOption = Annotated[
    str,
    typer.Option(
        metavar="NAME|FILE|WORDS",
        help="coco, lvis, people, vehicles, animals; a file, a word a line; or a,b,c.",
        rich_help_panel=WORDS_PANEL,
    ),
]
ExactOption = Annotated[
    bool,
    typer.Option(
        "--exact",
        help="Look for regions as `everything` does by default: slower, finds more.",
        rich_help_panel=WORDS_PANEL,
    ),
]


def run_words(
    images: Sequence[tuple[FoundImage, tuple[PromptSpec, ...]]],
    choice: ModelChoice,
    scorer: str | None,
    handle: Callable[[Job, Model, RegionTextScorer | None], tuple[dict[str, Any], SavedPaths]],
    out: Path,
    *,
    as_json: bool,
    stage: str,
) -> int:
    """Work on the images and tell of each.

    Args:
        images: with the prompts given for them, if any.
        choice: the model.
        scorer: which one, or None where none is needed.
        handle: works on one picture; gives its document and the files written.
        out: the output folder.
        as_json: tell it for machines.
        stage: what the progress bar says.

    Returns:
        The exit code.
    """
    from anymask.cli.model_choice import load
    from anymask.cli.plan import plan_jobs
    from anymask.cli.progress import ProgressBar
    from anymask.cli.report import Report
    from anymask.cli.work import attempts
    from anymask.types.progress import Progress

    jobs = plan_jobs(images, out)
    report = Report(len(jobs), out, [], as_json=as_json)
    model, interrupted = None, False
    try:
        with ProgressBar() as progress:
            words = None if scorer is None else _load_scorer(scorer, choice, progress)
            model = loaded = load(choice, progress)
            done = attempts(jobs, lambda job: handle(job, loaded, words))
            for number, outcome in enumerate(done, start=1):
                report.add(outcome)
                if len(jobs) > 1:
                    progress(Progress(stage, number, len(jobs), "images"))
    except KeyboardInterrupt:
        interrupted = True
    return report.finish(model, interrupted=interrupted)


def _load_scorer(
    name: str, choice: ModelChoice, progress: Callable[[Any], None]
) -> RegionTextScorer:
    from anymask.words.load import load_scorer

    return load_scorer(
        name,
        cache_dir=choice.cache_dir,
        model_dir=choice.model_dir,
        offline=choice.offline,
        progress=progress,
    )


def only_pictures(words: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The pictures that come first, and the phrases after them.

    Raises:
        UsageError: no picture, or no phrase.
    """
    if not words:
        raise UsageError('no picture was named; give one and phrases: photo.jpg "a dog"')
    first, *rest = words
    if not rest:
        raise UsageError(f'no phrase was given; give some after {first!r}, such as "a dog"')
    return [Path(first)], list(rest)
