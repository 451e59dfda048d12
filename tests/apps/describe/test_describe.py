"""Facts, relations, descriptions and answers, of pictures whose masks are drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.apps.describe.facts import Fact, facts_of
from anymask.apps.describe.questions import Knowledge, answer
from anymask.apps.describe.relations import RELATIONS, related
from anymask.apps.describe.scene import counted, description, plural, title
from anymask.formats.detections import LabelledMask
from anymask.types.records import CompactMask, MaskRecord

SIZE_HW = (90, 120)
WORDS = ("cup", "spoon", "dining table", "dog", "person", "book")


def labelled(label: str, x0: int, y0: int, x1: int, y1: int) -> LabelledMask:
    mask = np.zeros(SIZE_HW, bool)
    mask[y0:y1, x0:x1] = True
    record = MaskRecord(
        CompactMask.from_array(mask), 0.9, 0.95, ((x0 + x1) / 2, (y0 + y1) / 2), (0, 0, 120, 90)
    )
    return LabelledMask(label, 0.8, record)


@pytest.fixture
def facts() -> list[Fact]:
    """A blue cup and a red cup on a brown table, a grey spoon between them, a green book above."""
    objects = [
        labelled("dining table", 5, 50, 115, 88),
        labelled("cup", 10, 35, 30, 60),
        labelled("cup", 85, 35, 105, 60),
        labelled("spoon", 50, 60, 70, 66),
        labelled("book", 45, 2, 75, 12),
    ]
    image = np.full((*SIZE_HW, 3), 255, np.uint8)
    colours = [(110, 65, 35), (20, 60, 200), (205, 20, 25), (128, 128, 128), (30, 140, 50)]
    for one, colour in zip(objects, colours, strict=True):
        image[one.record.array] = colour
    return facts_of(image, objects)


@pytest.fixture
def ask(facts: list[Fact]):  # type: ignore[no-untyped-def]
    return lambda question: answer(question, Knowledge(facts, WORDS))


def test_facts_tell_colour_place_and_size(facts: list[Fact]) -> None:
    table, blue, red, spoon, book = facts
    assert [one.id for one in facts] == [0, 1, 2, 3, 4]
    assert (table.colours[0], table.size, table.place) == ("brown", "large", "lower middle")
    assert (blue.colours, blue.place) == (("blue",), "left")
    assert (red.colours, red.place) == (("red",), "right")
    assert (spoon.colours, spoon.size, spoon.place) == (("grey",), "medium", "lower middle")
    assert (book.colours, book.place) == (("green",), "upper middle")
    assert table.share == pytest.approx(110 * 38 / (90 * 120))


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((10, 10, 10), "black"), ((250, 250, 250), "white"), ((120, 120, 122), "grey"),
        ((220, 30, 30), "red"), ((250, 225, 50), "yellow"), ((20, 130, 40), "green"),
        ((30, 80, 200), "blue"), ((100, 60, 30), "brown"), ((240, 140, 180), "pink"),
    ],
)  # fmt: skip
def test_colours_have_their_usual_names(rgb: tuple[int, int, int], name: str) -> None:
    image = np.full((*SIZE_HW, 3), rgb, np.uint8)
    (fact,) = facts_of(image, [labelled("cup", 10, 10, 50, 50)])
    assert fact.colours == (name,)


@pytest.mark.parametrize(
    ("relation", "of", "expected"),
    [
        ("left of", 2, {1, 3}),
        ("right of", 1, {2, 3}),
        ("above", 3, {4}),
        ("below", 4, {0, 3}),
        ("on", 0, {1, 2, 3}),
        ("inside", 0, {3}),
        ("next to", 0, {1, 2, 3}),
    ],
)
def test_relations_are_those_that_people_see(
    facts: list[Fact], relation: str, of: int, expected: set[int]
) -> None:
    assert {one.id for one in related(facts, relation, [facts[of]])} == expected


def test_nothing_is_related_to_itself(facts: list[Fact]) -> None:
    for relation in RELATIONS:
        assert all(one.id != 0 for one in related(facts, relation, [facts[0]]))


def test_a_description_says_what_there_is_and_what_stands_on_what(facts: list[Fact]) -> None:
    told = description(facts)
    assert told.startswith("The picture shows a dining table, two cups, a book and a spoon.")
    assert "The cup is on the dining table." in told
    assert "brown" in told
    assert title(facts) == "A dining table, two cups and a book"


def test_a_picture_of_nothing_known_is_described_as_that() -> None:
    assert title([]) == "nothing that is known"
    assert description([]) == "Nothing in the picture is known."
    found = answer("what is in the picture?", Knowledge([], WORDS))
    assert (found.known, found.evidence) == (False, ())


@pytest.mark.parametrize(
    ("question", "text", "evidence"),
    [
        ("How many cups?", "two cups", (1, 2)),
        ("how many cups are there", "two cups", (1, 2)),
        ("How many dogs?", "no dogs were found", ()),
        ("how many people are in the picture?", "no people were found", ()),
        ("Is there a book in the picture?", "yes, a book", (4,)),
        ("is there a dog?", "none was found: no dog", ()),
        ("Where is the spoon?", "the spoon is in the lower middle (mask 3)", (3,)),
        ("What color is the book?", "the book is green (mask 4)", (4,)),
        ("what colour are the cups?", "the cup is blue (mask 1), red (mask 2)", (1, 2)),
        ("What is above the spoon?", "a book (mask 4) is above the spoon", (4,)),
        (
            "What is on the table?",
            "a cup (mask 1), a cup (mask 2), a spoon (mask 3) are on the dining table",
            (1, 2, 3),
        ),
        ("what is the largest object?", "the largest is a dining table, 39% of the picture", (0,)),
        ("what is the smallest thing", "the smallest is a spoon, 1% of the picture", (3,)),
        ("Is the book above the spoon?", "yes, the book is above the spoon", (4, 3)),
        ("is the book below the spoon?", "no, the book is not below the spoon", (4, 3)),
    ],
)
def test_questions_are_answered_with_evidence(
    ask, question: str, text: str, evidence: tuple[int, ...]
) -> None:
    found = ask(question)
    assert (found.text, found.evidence, found.known) == (text, evidence, True)


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ("how many unicorns?", "'unicorns' is not among the words"),
        ("where is the dog?", "no dog was found"),
        ("what colour is the dog?", "no dog was found"),
        ("why is the sky blue?", "not understood"),
        ("", "not understood"),
        ("is the dog left of the cup?", "no dog was found"),
    ],
)
def test_what_is_not_known_is_said_to_be(ask, question: str, why: str) -> None:
    found = ask(question)
    assert not found.known
    assert found.text.startswith("not known: ")
    assert why in found.text


@pytest.mark.parametrize(
    ("word", "several"),
    [
        ("cup", "cups"), ("bus", "buses"), ("person", "people"), ("cherry", "cherries"),
        ("wine glass", "wine glasses"), ("key", "keys"), ("knife", "knives"),
    ],
)  # fmt: skip
def test_several_of_a_thing(word: str, several: str) -> None:
    assert plural(word) == several
    assert counted(word, 3) == f"three {several}"
    assert counted(word, 12) == f"12 {several}"


def test_one_of_a_thing_has_the_right_article() -> None:
    assert counted("apple", 1) == "an apple"
    assert counted("cup", 1) == "a cup"
