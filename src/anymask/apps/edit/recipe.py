"""`Recipe`: an edit as a small JSON value, which can be replayed on the original.

``{"schema": "anymask.edit/1", "masks": {"cup": {"mask": RLE}}, "steps": [{"step": "recolour",
"on": ["cup"], "colour": "#1f5fbf"}]}``; docs/editing.md describes it. The picture itself is never
changed: undo is leaving a step out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from anymask.apps.edit.edges import EDGE_KINDS, Edge
from anymask.apps.edit.parameters import Choice, Kind, Number, kind_of_field
from anymask.apps.edit.pixels import Picture, as_picture
from anymask.apps.edit.scene import Scene, SceneObject, Selection, Tools
from anymask.apps.edit.steps import STEPS
from anymask.apps.edit.steps.step import Step
from anymask.errors import FileFormatError, MaskError
from anymask.formats.json_input import kind_of, read_json
from anymask.geometry import rle

SCHEMA: Final = "anymask.edit/1"

_TOP_KEYS: Final = ("schema", "masks", "steps")
_MASK_KEYS: Final = ("mask", "unsure")
_EDGE: Final[dict[str, Kind]] = {
    "edge": Choice(EDGE_KINDS),
    "edge_width": Number(0, 1000),
    "grow": Number(-1000, 1000),
}


@dataclass(frozen=True)
class Entry:
    """One step of a recipe.

    Attributes:
        step: what is done.
        selection: to which objects, with which edge.
    """

    step: Step
    selection: Selection


@dataclass(frozen=True)
class Recipe:
    """Steps, and the masks that they are about.

    Attributes:
        entries: what is done, in this order.
        masks: name -> {"mask": RLE} and, of a mask that a model found, "unsure": RLE; may be empty,
            for a recipe that is used with masks of other pictures.
    """

    entries: tuple[Entry, ...]
    masks: Mapping[str, Mapping[str, rle.Rle]] = field(default_factory=dict)

    def objects(self) -> dict[str, SceneObject]:
        """The masks, decoded."""
        return {
            name: SceneObject(
                rle.decode(codes["mask"]),
                rle.decode(codes["unsure"]) if "unsure" in codes else None,
            )
            for name, codes in self.masks.items()
        }

    def with_objects(self, objects: Mapping[str, SceneObject]) -> Recipe:
        """The same steps about other masks."""
        masks: dict[str, dict[str, rle.Rle]] = {}
        for name, one in objects.items():
            masks[name] = {"mask": rle.encode(one.mask)}
            if one.unsure is not None:
                masks[name]["unsure"] = rle.encode(one.unsure)
        return dataclasses.replace(self, masks=masks)

    def apply(self, image: NDArray[Any], tools: Tools | None = None) -> Picture:
        """Replay the steps on a picture.

        Args:
            image: (H, W) or (H, W, 1 to 4), uint8 or uint16; it is not changed.
            tools: an inpainter and a way to load pictures, for steps that need them.

        Returns:
            (H, W, 3) or (H, W, 4) of the image's depth and size.

        Raises:
            MaskError: masks of another size, or a step about an object that is not there.
            ImageError: no picture, or a step that needs a tool that is not given.
        """
        self._check_sizes(image)
        scene = Scene.of(image, self.objects(), tools or Tools())
        for entry in self.entries:
            scene = entry.step.run(scene, entry.selection)
        return scene.picture

    def _check_sizes(self, image: NDArray[Any]) -> None:
        """Refuse masks of another size before they are decoded: a short code can be huge."""
        height, width = as_picture(image).shape[:2]
        for name, codes in self.masks.items():
            for code in codes.values():
                if list(code["size"]) != [height, width]:
                    raise MaskError(
                        f"the mask {name!r} of the recipe has {code['size'][1]} x "
                        f"{code['size'][0]} pixels but the picture has {width} x {height}; replay "
                        "a recipe on its own picture, or use its steps with masks of this one"
                    )

    def document(self) -> dict[str, Any]:
        """The recipe, ready for JSON."""
        return {
            "schema": SCHEMA,
            "masks": {name: dict(codes) for name, codes in self.masks.items()},
            "steps": [_entry_document(entry) for entry in self.entries],
        }


def parse_recipe(value: Any, where: str = "recipe") -> Recipe:
    """A recipe from its JSON value, all of it checked.

    Args:
        value: as `Recipe.document` gives it.
        where: what it is called in messages.

    Raises:
        FileFormatError: something that is wrong; the message says where and what is allowed.
    """
    _check_keys(value, _TOP_KEYS, where)
    if value.get("schema") != SCHEMA:
        raise FileFormatError(f"{where} has the schema {value.get('schema')!r}; give {SCHEMA!r}")
    masks = value.get("masks", {})
    if not isinstance(masks, dict):
        raise FileFormatError(f"{where}: masks is {kind_of(masks)}; give an object: name -> mask")
    steps = value.get("steps", [])
    if not isinstance(steps, list):
        raise FileFormatError(f"{where}: steps is {kind_of(steps)}; give a list")
    recipe = Recipe(
        tuple(parse_entry(step, f"{where}, step {n}") for n, step in enumerate(steps)),
        {name: _checked_mask(codes, f"{where}, mask {name!r}") for name, codes in masks.items()},
    )
    _check_names(recipe, where)
    return recipe


def read_recipe(path: str | PathLike[str]) -> Recipe:
    """Read a recipe file and check all of it.

    Raises:
        FileFormatError: no such file, no JSON, or something in it that is wrong.
    """
    return parse_recipe(read_json(Path(path), "recipe"), str(path))


def parse_entry(value: Any, where: str) -> Entry:
    """One step from its JSON value.

    Args:
        value: {"step": name} with the step's parameters; and, for all steps, "on" (names of
            objects), "edge", "edge_width" and "grow".
        where: what it is called in messages.

    Raises:
        FileFormatError: an unknown step or parameter, or a value that is not allowed.
    """
    if not isinstance(value, dict):
        raise FileFormatError(f'{where} is {kind_of(value)}; give one such as {{"step": "blur"}}')
    kind = find_step(value.get("step"), where)
    fields = {one.name: kind_of_field(one) for one in dataclasses.fields(kind)}
    _check_keys(value, ("step", "on", *_EDGE, *fields), where)
    given = {
        key: _checked(one, (_EDGE | fields)[key], f"{where}: {key}")
        for key, one in value.items()
        if key in fields or key in _EDGE
    }
    missing = [one.name for one in dataclasses.fields(kind) if _required(one, given)]
    if missing:
        raise FileFormatError(f"{where} lacks {missing[0]}; give {fields[missing[0]].describe()}")
    step = kind(**{key: one for key, one in given.items() if key in fields})
    edge = Edge(given.get("edge", kind.edge), given.get("edge_width"), given.get("grow", 0.0))
    return Entry(step, Selection(_names(value.get("on", []), where), edge))


def parse_words(text: str) -> Entry:
    """One step as it is written in one word: "recolour:colour=#1f5fbf,on=cup+spoon".

    Raises:
        FileFormatError: an unknown step or parameter, or a value that is not allowed.
    """
    name, _, rest = text.partition(":")
    where = f"step {text!r}"
    kind = find_step(name.strip(), where)
    kinds = _EDGE | {one.name: kind_of_field(one) for one in dataclasses.fields(kind)}
    value: dict[str, Any] = {"step": name.strip()}
    for part in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, word = part.partition("=")
        key = _british(key.strip().replace("-", "_"))
        if not equals:
            raise FileFormatError(f"{where} has {part!r}; write {part}=VALUE")
        if key in value:
            raise FileFormatError(f"{where} has {key} twice; write it once")
        if key == "on":
            value[key] = word.split("+")
        else:
            value[key] = kinds[key].parse(word) if key in kinds else word
    return parse_entry(value, where)


def find_step(name: Any, where: str) -> type[Step]:
    """The step of a name; American spellings are understood.

    Raises:
        FileFormatError: there is no such step.
    """
    kind = STEPS.get(_british(name)) if isinstance(name, str) else None
    if kind is None:
        raise FileFormatError(f"{where} has the step {name!r}; give one of {', '.join(STEPS)}")
    return kind


def step_name(step: Step) -> str:
    """The name of a step."""
    return next(name for name, kind in STEPS.items() if kind is type(step))


def _british(word: str) -> str:
    return word.replace("color", "colour").replace("gray", "grey").replace("nize", "nise")


def _entry_document(entry: Entry) -> dict[str, Any]:
    """Only what is not as it is by default, but for the edge's kind, which is worth seeing."""
    edge, document = entry.selection.edge, {"step": step_name(entry.step)}
    found: dict[str, Any] = dict(document)
    if entry.selection.objects:
        found["on"] = list(entry.selection.objects)
    found["edge"] = edge.kind
    if edge.width_px is not None:
        found["edge_width"] = edge.width_px
    if edge.grow_px:
        found["grow"] = edge.grow_px
    return found | dataclasses.asdict(entry.step)


def _checked(value: Any, kind: Kind, where: str) -> Any:
    try:
        return kind.check(value)
    except ValueError as error:
        raise FileFormatError(f"{where} is {_told(value)}; give {error}") from error


def _checked_mask(value: Any, where: str) -> dict[str, rle.Rle]:
    _check_keys(value, _MASK_KEYS, where)
    if "mask" not in value:
        raise FileFormatError(f'{where} lacks "mask"; give its run-length code')
    for key, code in value.items():
        try:
            rle.area(code)
        except MaskError as error:
            raise FileFormatError(f"{where}: {key}: {error}") from error
    return dict(value)


def _check_names(recipe: Recipe, where: str) -> None:
    """Steps about objects that are not there; a recipe without masks gets them later."""
    if not recipe.masks:
        return
    for number, entry in enumerate(recipe.entries):
        for name in entry.selection.objects:
            if name not in recipe.masks:
                raise FileFormatError(
                    f"{where}, step {number} is on {name!r}; its masks are "
                    f"{', '.join(recipe.masks)}"
                )


def _check_keys(value: Any, allowed: Sequence[str], where: str) -> None:
    if not isinstance(value, dict):
        raise FileFormatError(f"{where} is {kind_of(value)}; give an object")
    unknown = [key for key in value if key not in allowed]
    if unknown:
        raise FileFormatError(
            f"{where} has the unknown key {unknown[0]!r}; allowed are {', '.join(allowed)}"
        )


def _names(value: Any, where: str) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise FileFormatError(f"{where}: on is {_told(value)}; give a list of names of objects")
    return tuple(names)


def _required(one: dataclasses.Field[Any], given: Mapping[str, Any]) -> bool:
    return one.default is dataclasses.MISSING and one.name not in given


def _told(value: Any) -> str:
    """A value in a message, not too long."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def step_lines() -> Iterator[tuple[str, str]]:
    """Every step with what it does, its parameters, their defaults and what they may be."""
    for name, kind in STEPS.items():
        yield name, kind.about
        for one in dataclasses.fields(kind):
            given = one.default is not dataclasses.MISSING
            default = f", {_default(one.default)}" if given else ", must be given"
            about = one.metadata["about"]
            yield f"  {one.name}", f"{about} ({kind_of_field(one).describe()}{default})"


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else str(value)
