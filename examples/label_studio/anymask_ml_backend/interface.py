"""The labelling interface of a project: which tags the answer must name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree

from .errors import RequestError

BRUSH, POLYGON = "brushlabels", "polygonlabels"
_LONGEST = 1 << 20


@dataclass(frozen=True)
class Control:
    """A tag that holds regions.

    Attributes:
        name: `from_name` of its regions.
        kind: their type, `BRUSH` or `POLYGON`.
        labels: what may be chosen; empty if that comes from the task.
    """

    name: str
    kind: str
    labels: frozenset[str]


@dataclass(frozen=True)
class Interface:
    """What of a labelling interface matters here.

    Attributes:
        image: `to_name` of the regions: the name of the picture's tag.
        key: of the picture in a task's data.
        controls: of this picture, brush or polygon, in their order.
    """

    image: str
    key: str
    controls: tuple[Control, ...]

    @classmethod
    def parse(cls, config: object) -> Interface:
        """Of a labelling interface's XML.

        Raises:
            RequestError: no XML, or one without a picture or without brush and polygon labels.
        """
        tags = list(_read(config).iter())
        for image in (tag for tag in tags if _kind(tag) == "image"):
            controls = tuple(_controls(tags, image.get("name", "")))
            value = image.get("value", "")
            if controls and value.startswith("$"):
                return cls(image.get("name", ""), value.removeprefix("$"), controls)
        raise RequestError(
            'label_config must have an <Image name="image" value="$image"/> and, with '
            'toName="image", <BrushLabels> or <PolygonLabels> for the masks'
        )

    def chosen(self, output: str) -> list[Control]:
        """The first tag of each kind that is asked for.

        Args:
            output: see `Settings.output`.

        Raises:
            RequestError: the interface has no such tag.
        """
        first = {control.kind: control for control in reversed(self.controls)}
        wanted = {"brush": [BRUSH], "polygon": [POLYGON]}.get(output, [BRUSH, POLYGON])
        found = [first[kind] for kind in wanted if kind in first]
        if not found:
            tag = "BrushLabels" if output == "brush" else "PolygonLabels"
            raise RequestError(
                f'label_config has no <{tag} toName="{self.image}">, but this back end is set to '
                f"answer with {output}"
            )
        return found[:1] if output == "auto" else found


def _read(config: object) -> ElementTree.Element:
    if not isinstance(config, str) or not config.strip():
        raise RequestError("label_config is missing; send the project's labelling interface")
    # no interface needs a document type; without one no entity can be defined
    if len(config) > _LONGEST or "<!DOCTYPE" in config:
        raise RequestError("label_config is too long or has a document type; send plain XML")
    try:
        return ElementTree.fromstring(config)  # noqa: S314 - checked above
    except ElementTree.ParseError as error:
        raise RequestError(f"label_config is not good XML: {error}") from error


def _controls(tags: Iterable[ElementTree.Element], image: str) -> Iterable[Control]:
    for tag in tags:
        targets = [name.strip() for name in tag.get("toName", "").split(",")]
        if _kind(tag) in (BRUSH, POLYGON) and image in targets and tag.get("name"):
            yield Control(tag.get("name", ""), _kind(tag), frozenset(_labels(tag)))


def _labels(tag: ElementTree.Element) -> Iterable[str]:
    """Names of static labels; regions use a label's alias where it has one."""
    for label in tag.iter():
        if _kind(label) == "label":
            yield from (label.get(name, "") for name in ("value", "alias") if label.get(name))


def _kind(tag: ElementTree.Element) -> str:
    return tag.tag.lower() if isinstance(tag.tag, str) else ""
