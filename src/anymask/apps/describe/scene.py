"""A title and a description of a picture, made of its facts and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from anymask.apps.describe.facts import Fact
from anymask.apps.describe.relations import on

_IRREGULAR = {
    "person": "people", "sheep": "sheep", "mouse": "mice", "knife": "knives", "skis": "skis",
    "scissors": "scissors", "goose": "geese", "fish": "fish", "deer": "deer", "man": "men",
    "woman": "women", "child": "children", "bus": "buses", "leaf": "leaves", "shelf": "shelves",
}  # fmt: skip
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def title(facts: Sequence[Fact]) -> str:
    """A few words: what there is most of, by area.

    Args:
        facts: of the picture; none gives "nothing that is known".
    """
    groups = _groups(facts)
    if not groups:
        return "nothing that is known"
    return _listed([counted(label, len(group)) for label, group in groups[:3]]).capitalize()


def description(facts: Sequence[Fact]) -> str:
    """A paragraph: what there is, its colours and places, and what stands on what.

    Args:
        facts: of the picture.
    """
    groups = _groups(facts)
    if not groups:
        return "Nothing in the picture is known."
    whole = _listed([counted(label, len(group)) for label, group in groups])
    sentences = [f"The picture shows {whole}."]
    for label, group in groups[:4]:
        (first, *_) = sorted(group, key=lambda one: -one.share)
        colours = " and ".join(first.colours)
        told = f"{first.size}, {colours}" if colours else first.size
        which = "the" if len(group) == 1 else "the largest"
        sentences.append(f"{which.capitalize()} {label} is {told}, in the {first.place}.")
    sentences += [
        f"The {one.label} is on the {other.label}."
        for one in facts
        for other in facts
        if one.label != other.label and on(one, other)
    ]
    return " ".join(dict.fromkeys(sentences))


def plural(word: str) -> str:
    """A word for several of a thing; of a phrase, its last word."""
    before, _, last = word.rpartition(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif last.endswith(("s", "x", "z", "ch", "sh")):
        last += "es"
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        last = f"{last[:-1]}ies"
    else:
        last += "s"
    return f"{before} {last}" if before else last


def counted(label: str, count: int) -> str:
    """Such as "a cup", "two cups" or "14 cups"."""
    if count == 1:
        return f"{'an' if label[:1].lower() in 'aeiou' else 'a'} {label}"
    number = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
    return f"{number} {plural(label)}"


def _groups(facts: Sequence[Fact]) -> list[tuple[str, list[Fact]]]:
    """Facts by label, the labels that cover most of the picture first."""
    groups: dict[str, list[Fact]] = {}
    for one in facts:
        groups.setdefault(one.label, []).append(one)
    return sorted(groups.items(), key=lambda item: -sum(one.share for one in item[1]))


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
