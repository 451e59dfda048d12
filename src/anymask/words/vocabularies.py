"""Lists of words that are known by name, and lists of the caller's own."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from anymask.errors import FileFormatError, PromptError
from anymask.words.naming import check_phrases

COCO: Final = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant",
    "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""The 80 classes of COCO's instance annotations, in their order (Lin et al. 2014)."""
VOCABULARIES: Final = {
    "coco": COCO,
    "people": ("person", "face"),
    "vehicles": (
        "car", "truck", "bus", "train", "motorcycle", "bicycle", "boat", "airplane", "tractor",
    ),
    "animals": (
        "bird", "cat", "dog", "horse", "sheep", "cow", "pig", "goat", "rabbit", "elephant", "bear",
        "zebra", "giraffe", "monkey", "lion", "tiger", "fox", "deer", "fish", "insect", "butterfly",
        "frog", "turtle", "snake", "lizard", "chicken", "duck", "goose", "penguin", "squirrel",
    ),
}  # fmt: skip
LVIS: Final = "lvis"
"""The 1,203 categories of LVIS v1 (Gupta et al. 2019), in their order; a file beside this one."""
NAMES: Final = (*VOCABULARIES, LVIS)


def read_vocabulary(text: str) -> tuple[str, ...]:
    """Words from a name, a file or a list.

    Args:
        text: one of `NAMES`; the path of a text file with one word a line; or words with
            commas between them.

    Returns:
        The words, each once.

    Raises:
        PromptError: no word at all.
        FileFormatError: a file that is no text.
    """
    name = text.strip().lower()
    if name in VOCABULARIES:
        return VOCABULARIES[name]
    if name == LVIS:
        listed = files("anymask.words").joinpath("lvis_classes.txt").read_text("utf-8")
        return tuple(listed.splitlines())
    path = Path(text).expanduser()
    words = _lines(path) if _is_file(path) else text.split(",")
    given = [word.strip() for word in words if word.strip()]
    if not given:
        raise PromptError(
            f"vocabulary {text!r} has no words; give one of {', '.join(NAMES)}, a file with "
            "one word a line, or words with commas between them"
        )
    return tuple(dict.fromkeys(check_phrases(given, "vocabulary")))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a list of words may be no possible path
        return False


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path} is no text file with one word a line: {error}") from error
