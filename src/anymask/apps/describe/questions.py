"""Answers to simple questions, from facts; "not known" rather than a guess."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from anymask.apps.describe.facts import Fact
from anymask.apps.describe.relations import RELATIONS, related
from anymask.apps.describe.scene import counted, description, plural, title

SYNONYMS: Final = {
    "people": "person", "human": "person", "bike": "bicycle", "motorbike": "motorcycle",
    "plane": "airplane", "aeroplane": "airplane", "aircraft": "airplane", "television": "tv",
    "phone": "cell phone", "mobile": "cell phone", "mobile phone": "cell phone", "sofa": "couch",
    "plant": "potted plant", "table": "dining table", "glass": "wine glass",
    "fridge": "refrigerator", "notebook": "laptop", "doughnut": "donut",
    "hydrant": "fire hydrant", "ball": "sports ball",
    "bag": "handbag", "hair dryer": "hair drier", "teddy": "teddy bear", "ship": "boat",
}  # fmt: skip
"""Everyday words for labels of COCO; a label of that very name comes first."""
_HINT: Final = (
    "ask such as: how many cups? is there a dog? where is the cup? what colour is the cup? what is "
    "left of the cup? what is the largest object? what is in the picture?"
)
_RELATION: Final = "|".join(sorted(RELATIONS, key=len, reverse=True))
_ARTICLE: Final = re.compile(r"^(?:an?|the|any|some|this|that|of)\s+")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with what bears it out.

    Attributes:
        text: for people.
        evidence: numbers of the masks it rests on; may be empty.
        known: False where the picture's facts do not tell.
    """

    text: str
    evidence: tuple[int, ...] = ()
    known: bool = True


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What questions are answered from.

    Attributes:
        facts: of the picture.
        vocabulary: everything that was looked for: of other things, absence is not known.
    """

    facts: Sequence[Fact]
    vocabulary: Sequence[str]


def answer(question: str, knowledge: Knowledge) -> Answer:
    """Answer a question in English.

    Args:
        question: such as "how many cups?".
        knowledge: of the picture.

    Returns:
        The answer; one that is not known says why.
    """
    text = re.sub(r"\s+", " ", question.lower().replace("color", "colour")).strip(" ?.!")
    for pattern, reply in _PATTERNS:
        match = pattern.fullmatch(text)
        if match:
            return reply(knowledge, *(_ARTICLE.sub("", part) for part in match.groups() if part))
    return Answer(f"not known: this question is not understood; {_HINT}", known=False)


def _how_many(knowledge: Knowledge, noun: str) -> Answer:
    found, label, refusal = _find(knowledge, noun)
    if refusal:
        return refusal
    if not found:
        return Answer(f"no {plural(label)} were found")
    return Answer(counted(label, len(found)) if len(found) > 1 else f"one {label}", _ids(found))


def _is_there(knowledge: Knowledge, noun: str) -> Answer:
    found, label, refusal = _find(knowledge, noun)
    if refusal:
        return refusal
    if not found:
        return Answer(f"none was found: no {label}")
    return Answer(f"yes, {counted(label, len(found))}", _ids(found))


def _where(knowledge: Knowledge, noun: str) -> Answer:
    found, label, refusal = _find(knowledge, noun)
    if refusal or not found:
        return refusal or _nothing(label)
    places = [f"in the {one.place} (mask {one.id})" for one in found]
    return Answer(f"the {label} is {' and '.join(places)}", _ids(found))


def _colour(knowledge: Knowledge, noun: str) -> Answer:
    found, label, refusal = _find(knowledge, noun)
    if refusal or not found:
        return refusal or _nothing(label)
    told = [one for one in found if one.colours]
    if not told:
        return Answer(f"not known: no colour of the {label} stands out", _ids(found), known=False)
    parts = [f"{' and '.join(one.colours)} (mask {one.id})" for one in told]
    return Answer(f"the {label} is {', '.join(parts)}", _ids(told))


def _what_is(knowledge: Knowledge, relation: str, noun: str) -> Answer:
    found, label, refusal = _find(knowledge, noun)
    if refusal or not found:
        return refusal or _nothing(label)
    others = related(knowledge.facts, relation, found)
    if not others:
        return Answer(f"nothing that is known is {relation} the {label}", _ids(found))
    told = ", ".join(f"a {one.label} (mask {one.id})" for one in others)
    return Answer(
        f"{told} {'is' if len(others) == 1 else 'are'} {relation} the {label}", _ids(others)
    )


def _is_related(knowledge: Knowledge, noun: str, relation: str, to: str) -> Answer:
    first, label, refusal = _find(knowledge, noun)
    second, other, refused = _find(knowledge, to)
    if refusal or refused:
        return refusal or refused or _nothing(label)
    if not first or not second:
        return _nothing(other if first else label)
    standing = [one for one in related(knowledge.facts, relation, second) if one in first]
    word = "yes" if standing else "no"
    said = "is" if standing else "is not"
    return Answer(
        f"{word}, the {label} {said} {relation} the {other}", _ids([*(standing or first), *second])
    )


def _extreme(knowledge: Knowledge, which: str) -> Answer:
    if not knowledge.facts:
        return Answer("not known: nothing in the picture is known", known=False)
    largest = which in ("largest", "biggest")
    pick = max if largest else min
    one = pick(knowledge.facts, key=lambda fact: fact.share)
    return Answer(f"the {which} is a {one.label}, {one.share:.0%} of the picture", (one.id,))


def _everything(knowledge: Knowledge) -> Answer:
    if not knowledge.facts:
        return Answer("not known: nothing in the picture is known", known=False)
    return Answer(description(knowledge.facts), _ids(knowledge.facts))


def _title(knowledge: Knowledge) -> Answer:
    return Answer(title(knowledge.facts), _ids(knowledge.facts), known=bool(knowledge.facts))


_HERE: Final = r"(?: are there| are in the picture| do you see| can you see)?"
_SHOWN: Final = r"(?:the|this) (?:picture|photo|image)"
_REPLIES: Final[Sequence[tuple[str, Callable[..., Answer]]]] = (
    (rf"how many (.+?){_HERE}", _how_many),
    (rf"(?:is|are) (the .+?) (?:to the )?({_RELATION}) (.+)", _is_related),
    (r"(?:is|are) there (.+?)(?: in the picture)?", _is_there),
    (r"where (?:is|are) (.+)", _where),
    (r"(?:what|which) colour (?:is|are|has|does) (.+?)(?: have)?", _colour),
    (r"what is the (largest|biggest|smallest)(?: (?:object|thing|mask))?(?: in .+)?", _extreme),
    (rf"what (?:is|are)(?: there)? in {_SHOWN}", _everything),
    (r"what (?:do|can) you see", _everything),
    (rf"what is shown|describe {_SHOWN}", _everything),
    (r"what is (?:the|a good|a short) title", _title),
    (rf"what (?:is|are|stands|lies) (?:to the )?({_RELATION}) (.+)", _what_is),
)
_PATTERNS: Final = tuple((re.compile(pattern), reply) for pattern, reply in _REPLIES)


def _find(knowledge: Knowledge, noun: str) -> tuple[list[Fact], str, Answer | None]:
    """The facts that a noun names, its label, and a refusal where it is not among the words."""
    labels = {
        one.lower(): one for one in [*knowledge.vocabulary, *(f.label for f in knowledge.facts)]
    }
    for word in _forms(noun):
        if word in labels:
            label = labels[word]
            return [one for one in knowledge.facts if one.label == label], label, None
    why = f"not known: {noun!r} is not among the words that were looked for"
    return [], noun, Answer(f"{why}; name it in the vocabulary", known=False)


def _forms(noun: str) -> list[str]:
    """A noun as it is, in the singular, and by everyday synonyms."""
    singulars = [noun]
    before, space, last = noun.rpartition(" ")
    for ending, instead in (("ies", "y"), ("ves", "fe"), ("es", ""), ("s", "")):
        if last.endswith(ending):
            singulars.append(f"{before}{space}{last.removesuffix(ending)}{instead}")
    singulars += [{"people": "person", "mice": "mouse", "geese": "goose"}.get(noun, noun)]
    return list(
        dict.fromkeys([*singulars, *(SYNONYMS[one] for one in singulars if one in SYNONYMS)])
    )


def _nothing(label: str) -> Answer:
    return Answer(f"not known: no {label} was found", known=False)


def _ids(facts: Sequence[Fact]) -> tuple[int, ...]:
    return tuple(one.id for one in facts)
