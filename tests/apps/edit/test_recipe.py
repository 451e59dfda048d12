from __future__ import annotations

import json

import numpy as np
import pytest

from anymask.apps.edit.edges import Edge
from anymask.apps.edit.recipe import (
    SCHEMA,
    Recipe,
    parse_entry,
    parse_recipe,
    parse_words,
    read_recipe,
    step_lines,
)
from anymask.apps.edit.scene import Scene, SceneObject, Tools
from anymask.apps.edit.steps import STEPS
from anymask.errors import FileFormatError, ImageError, MaskError
from anymask.geometry import rle
from editing import TOOLS, disc, noise, replayed, same, within

SIZE = (50, 70)
CUP, SPOON = disc(SIZE, (22, 24), 11), disc(SIZE, (52, 20), 7)
OBJECTS = {"cup": SceneObject(CUP), "spoon": SceneObject(SPOON, unsure=within(SPOON, 3))}
ALL_STEPS = [
    name + (":picture=other.png" if name == "background-picture" else "") for name in STEPS
]


def recipe_of(*words: str) -> Recipe:
    return Recipe(tuple(parse_words(text) for text in words)).with_objects(OBJECTS)


def through_json(recipe: Recipe) -> Recipe:
    return parse_recipe(json.loads(json.dumps(recipe.document())))


@pytest.mark.parametrize("words", ALL_STEPS)
def test_every_step_replayed_from_its_json_gives_the_same_pixels(words):
    image = noise(SIZE)
    recipe = recipe_of(words)
    again = through_json(recipe)
    assert again == recipe
    found = recipe.apply(image, TOOLS)
    np.testing.assert_array_equal(again.apply(image, TOOLS), found)
    assert found.shape[:2] == SIZE
    assert not same(found, image) or words == "white-balance", "which asks for nothing by itself"


LONG = (
    "recolour:colour=#1f5fbf,on=cup,edge=feather,edge_width=2",
    "move:x=20.5,y=-3,scale=1.2,turn=-15,on=spoon,grow=1",
    "background-blur:radius=6,falloff=distance,edge=hard",
    "outline:colour=white,on=cup+spoon",
    "sticker:width=4",
)


def test_a_long_recipe_replayed_on_the_original_gives_the_same_pixels(tmp_path):
    image = noise(SIZE, 4, np.uint16)
    before = image.copy()
    recipe = recipe_of(*LONG)
    first = recipe.apply(image, TOOLS)
    np.testing.assert_array_equal(image, before)
    path = tmp_path / "edit.json"
    path.write_text(json.dumps(recipe.document()))
    np.testing.assert_array_equal(read_recipe(path).apply(image, TOOLS), first)


@pytest.mark.parametrize("left_out", range(len(LONG)))
def test_leaving_a_step_out_is_undo(left_out):
    image = noise(SIZE)
    others = [text for number, text in enumerate(LONG) if number != left_out]
    document = recipe_of(*LONG).document()
    del document["steps"][left_out]
    undone = parse_recipe(document).apply(image, TOOLS)
    np.testing.assert_array_equal(undone, recipe_of(*others).apply(image, TOOLS))


def test_a_recipe_without_steps_is_the_picture():
    image = noise(SIZE)
    assert same(recipe_of().apply(image), image)


def test_what_a_step_is_on():
    image = noise(SIZE)
    dark = "brightness:factor=0,edge=hard"
    both = recipe_of(dark).apply(image)
    cup = recipe_of(dark + ",on=cup").apply(image)
    assert not both[CUP | SPOON].any()
    np.testing.assert_array_equal(cup[~CUP], image[~CUP])
    together = recipe_of(dark + ",on=cup+spoon").apply(image)
    np.testing.assert_array_equal(together, both)


def test_steps_keep_what_is_allowed_to_be_left_out():
    entry = parse_words("Recolor:colour=#fff".lower())
    assert entry.selection.edge == Edge("soft")
    assert parse_words("pixelate").selection.edge == Edge("hard")
    document = Recipe((entry,)).document()
    assert document == {
        "schema": SCHEMA,
        "masks": {},
        "steps": [
            {"step": "recolour", "edge": "soft", "where": "object", "colour": "#fff", "amount": 1}
        ],
    }


def test_words_and_json_mean_the_same():
    words = parse_words(
        "background-color: color=#ff8800, keep-shadow=yes, on=cup+spoon, edge-width=3"
    )
    document = {
        "step": "background-colour",
        "colour": "#ff8800",
        "keep_shadow": True,
        "on": ["cup", "spoon"],
        "edge_width": 3,
    }
    assert words == parse_entry(document, "step")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("recolur", r"has the step 'recolur'; give one of background-transparent, "),
        ("blur:strength=3", r"unknown key 'strength'; allowed are step, on, edge, .*radius"),
        ("blur:radius=wide", r"radius is 'wide'; give a number from 0 to 1000"),
        ("blur:radius=-1", r"radius is -1\.0; give a number from 0 to 1000"),
        ("blur:radius=nan", r"radius is nan; give a number from 0 to 1000"),
        ("blur:radius", r"has 'radius'; write radius=VALUE"),
        ("blur:radius=1,radius=2", r"has radius twice"),
        ("recolour:colour=nile", r"colour is 'nile'; give a colour such as #ff8800"),
        ("outline:side=above", r"side is 'above'; give one of outside, inside, middle"),
        ("outline:edge=fuzzy", r"edge is 'fuzzy'; give one of hard, feather, soft"),
        ("background-gradient:radial=perhaps", r"radial is 'perhaps'; give true or false"),
        ("background-picture", r"lacks picture; give FILE"),
        ("background-picture:picture=", r"picture is ''; give the name of a picture"),
        ("outline:on=", r"on is \[''\]; give a list of names"),
        ("", r"has the step ''; give one of"),
    ],
)
def test_a_wrong_word_gives_one_clear_message(words, message):
    with pytest.raises(FileFormatError, match=message) as caught:
        parse_words(words)
    assert "\n" not in str(caught.value)


GOOD = {"schema": SCHEMA, "masks": {"cup": {"mask": rle.encode(CUP)}}, "steps": []}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], r"^edit\.json is a list; give an object"),
        ({}, r"has the schema None; give 'anymask\.edit/1'"),
        (GOOD | {"schema": "anymask.edit/2"}, r"has the schema 'anymask\.edit/2'"),
        (GOOD | {"undo": []}, r"has the unknown key 'undo'; allowed are schema, masks, steps"),
        (GOOD | {"masks": []}, r"masks is a list; give an object"),
        (GOOD | {"steps": {}}, r"steps is an object; give a list"),
        (GOOD | {"masks": {"cup": {}}}, r"mask 'cup' lacks \"mask\""),
        (GOOD | {"masks": {"cup": {"mask": "x"}}}, r"mask 'cup': mask: "),
        (
            GOOD | {"masks": {"cup": {"mask": {"size": [2, 2], "counts": [9]}}}},
            r"mask 'cup': mask:",
        ),
        (GOOD | {"steps": ["blur"]}, r"step 0 is text; give one such as"),
        (GOOD | {"steps": [{"step": "blur"}, {"step": "wipe"}]}, r"step 1 has the step 'wipe'"),
        (GOOD | {"steps": [{"step": ["blur"]}]}, r"step 0 has the step \['blur'\]"),
        (GOOD | {"steps": [{"step": "blur", "radius": "3"}]}, r"step 0: radius is '3'"),
        (GOOD | {"steps": [{"step": "blur", "radius": True}]}, r"step 0: radius is True"),
        (GOOD | {"steps": [{"step": "blur", "on": 3}]}, r"step 0: on is 3; give a list of names"),
        (
            GOOD | {"steps": [{"step": "blur", "on": "jug"}]},
            r"step 0 is on 'jug'; its masks are cup",
        ),
        (GOOD | {"steps": [{"step": "blur", "edge": ["soft"]}]}, r"step 0: edge is \['soft'\]"),
        (
            GOOD | {"steps": [{"step": "recolour", "colour": "x" * 500}]},
            r"'xxx.{30,40}\.\.\.; give a",
        ),
    ],
)
def test_a_wrong_recipe_gives_one_clear_message(value, message):
    with pytest.raises(FileFormatError, match=message) as caught:
        parse_recipe(value, "edit.json")
    assert "\n" not in str(caught.value)


def test_files_that_are_no_recipe(tmp_path):
    with pytest.raises(FileFormatError, match="there is no recipe at"):
        read_recipe(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(FileFormatError, match=r"bad\.json"):
        read_recipe(tmp_path / "bad.json")


def test_a_recipe_of_another_picture_is_refused_before_its_masks_are_decoded():
    recipe = recipe_of("blur")
    with pytest.raises(MaskError, match=r"'cup' of the recipe has 70 x 50 pixels but the picture"):
        recipe.apply(noise((70, 50)))
    huge = GOOD | {"masks": {"cup": {"mask": {"size": [60000, 60000], "counts": [3600000000]}}}}
    with pytest.raises(MaskError, match="has 60000 x 60000 pixels but the picture has 70 x 50"):
        parse_recipe(huge).apply(noise(SIZE))


def test_an_unsure_part_of_another_size_is_refused():
    with pytest.raises(MaskError, match="size of the image"):
        Scene.of(noise(SIZE), {"cup": SceneObject(CUP, CUP.T)}, Tools())


def test_steps_without_masks_ask_for_them():
    with pytest.raises(MaskError, match="the objects are: none; give masks"):
        Recipe((parse_words("blur"),)).apply(noise(SIZE))
    with pytest.raises(
        MaskError, match="asks for the object 'jug', but the objects are: cup, spoon"
    ):
        recipe_of("blur:on=jug").apply(noise(SIZE))


def test_steps_that_need_a_tool_say_so():
    with pytest.raises(ImageError, match="need an inpainter"):
        recipe_of("delete").apply(noise(SIZE))
    with pytest.raises(ImageError, match=r"'other\.png' cannot be read here"):
        recipe_of("background-picture:picture=other.png").apply(noise(SIZE))


def test_the_edge_is_found_in_the_picture_before_its_colours_were_changed():
    image = noise(SIZE)
    one = replayed(image, CUP, "background-colour:colour=white", "brightness:factor=1")
    np.testing.assert_array_equal(one, replayed(image, CUP, "background-colour:colour=white"))


def test_the_help_tells_every_step_and_parameter():
    lines = dict(step_lines())
    assert set(STEPS) <= set(lines)
    assert all(kind.about for kind in STEPS.values())
    assert lines["  falloff"].endswith("(none|ground|distance, none)")
    assert lines["  picture"].endswith("(FILE, must be given)")
