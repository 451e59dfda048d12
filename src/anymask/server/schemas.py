"""Requests and responses as JSON; what OpenAPI tells about them comes from here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from anymask.server.encoder import State
from anymask.server.jobs import JobState

Number = Annotated[float, Field(allow_inf_nan=False)]
Point = Annotated[list[Number], Field(min_length=2, max_length=2)]
Phrase = Annotated[str, Field(min_length=1, max_length=200)]
PresetName = Literal["exact", "fast", "sa1b", "proposals", "edges"]


class _Request(BaseModel):
    """A misspelt name is an error, not a value that is silently ignored."""

    model_config = ConfigDict(extra="forbid")


class ErrorDetail(BaseModel):
    """What was wrong."""

    code: str = Field(description="A short name for programs, such as image_unknown.")
    message: str = Field(description="One line for people: what was wrong, what is right.")


class Error(BaseModel):
    """Every answer that is no success."""

    error: ErrorDetail


class ModelAbout(BaseModel):
    """The model that answers."""

    id: str = Field(description="Names the weights exactly.")
    architecture: str
    engine: str
    device: str
    canvas_px: int = Field(description="Side of the square that the encoder sees.")


class LimitsAbout(BaseModel):
    """What the server takes."""

    upload_bytes: int
    pixels: int = Field(description="Largest picture, width x height.")


class DecoderFile(BaseModel):
    """One ONNX graph."""

    url: str
    bytes: int
    sha256: str


class DecoderAbout(BaseModel):
    """The graphs for the page."""

    schema_: Literal["anymask.decoder/1"] = Field(alias="schema")
    pair_id: str = Field(description="The same as in every embedding that these graphs read.")
    files: dict[str, DecoderFile] = Field(description="By name: image, prompt, preview.")


class Sample(BaseModel):
    """A photo to try things on."""

    name: str
    title: str
    url: str
    width: int
    height: int


class About(BaseModel):
    """What this server is."""

    version: str
    model: ModelAbout
    pair_id: str
    token_required: bool
    limits: LimitsAbout
    decoder: DecoderAbout
    samples: list[Sample]


class Uploaded(BaseModel):
    """A picture that was taken."""

    id: str = Field(description="Hash of the upright RGB pixels.")
    width: int
    height: int
    state: State


class Image(Uploaded):
    """A picture and where it stands."""

    queue_position: int | None = Field(description="Pictures before it; null once it is ready.")
    encode_seconds: float | None = Field(description="How long encoding takes; null if unknown.")
    error: str | None = Field(description="Why it failed; null if it did not.")


class Rle(BaseModel):
    """A COCO run-length code: runs down the columns, background first."""

    size: Annotated[list[int], Field(min_length=2, max_length=2)] = Field(
        description="Height and width in pixels."
    )
    counts: str = Field(description="Compressed run lengths.")


class PromptMask(_Request):
    """A mask of the picture's size; run lengths may be compressed or plain."""

    size: Annotated[list[int], Field(min_length=2, max_length=2)]
    counts: str | list[int]


class PromptBody(_Request):
    """One object asked for, in pixels of the upright picture."""

    points: list[Point] = Field(default=[], description="(x, y) each.", max_length=1000)
    labels: list[Literal[0, 1]] | None = Field(
        default=None, description="1 object, 0 background; left out, all 1.", max_length=1000
    )
    box: Annotated[list[Number], Field(min_length=4, max_length=4)] | None = Field(
        default=None, description="x0, y0, x1, y1."
    )
    mask: PromptMask | None = None


class MasksRequest(_Request):
    """Prompts, each for one object."""

    prompts: list[PromptBody] = Field(min_length=1)
    multimask: bool | None = Field(
        default=None,
        description="Three candidates a prompt, or one; null: three where it is one point.",
    )


class PromptedMask(BaseModel):
    """One candidate; those of a prompt come best first."""

    prompt: int = Field(description="Number of the prompt.")
    candidate: int = Field(description="0 is the best.")
    segmentation: Rle
    bbox: list[int] = Field(description="XYWH from the first to the last pixel, as SAM has it.")
    area: int
    predicted_iou: float | None
    stability_score: float | None


class MasksResponse(BaseModel):
    """All candidates of all prompts."""

    masks: list[PromptedMask]


class EverythingRequest(_Request):
    """Settings of everything mode; what is left out is the preset's."""

    preset: PresetName = "exact"
    points_per_side: int | None = Field(default=None, ge=1, le=512)
    pred_iou_thresh: float | None = Field(default=None, ge=0, le=1)
    stability_score_thresh: float | None = Field(default=None, ge=0, le=1)
    stability_score_offset: float | None = Field(default=None, ge=0, le=100)
    box_nms_thresh: float | None = Field(default=None, ge=0, le=1)
    crop_n_layers: int | None = Field(default=None, ge=0, le=4)
    crop_nms_thresh: float | None = Field(default=None, ge=0, le=1)
    crop_overlap_ratio: float | None = Field(default=None, ge=0, lt=1)
    crop_n_points_downscale_factor: int | None = Field(default=None, ge=1, le=16)
    min_mask_region_area: int | None = Field(default=None, ge=0)
    min_mask_area: int | None = Field(default=None, ge=0)
    max_mask_share: float | None = Field(default=None, gt=0, le=1)
    max_masks: int | None = Field(default=None, ge=1)
    tile_px: int | None = Field(default=None, ge=64)
    tile_overlap_px: int | None = Field(default=None, ge=0)
    novel_share: float | None = Field(default=None, gt=0, le=1)
    novel_distance: float | None = Field(default=None, ge=0)


class TextRequest(_Request):
    """What to look for, each phrase by itself."""

    phrases: list[Phrase] = Field(min_length=1, max_length=64)
    negative: list[Phrase] = Field(
        default=[],
        max_length=64,
        description="A region that fits one of these better is left out.",
    )
    threshold: float | None = Field(
        default=None, ge=0, le=1, description="Least score; null: what suits the scorer."
    )
    most: int | None = Field(default=None, ge=1, description="Masks a phrase; null: all.")


class EditMask(_Request):
    """The mask of an object that steps are about."""

    mask: PromptMask
    unsure: PromptMask | None = Field(default=None, description="Where the model was unsure.")


class EditRequest(_Request):
    """A recipe, as `anymask edit` takes and saves it."""

    schema_: Literal["anymask.edit/1"] = Field(alias="schema")
    masks: dict[str, EditMask] = Field(description="By name, at the size of the picture.")
    steps: list[dict[str, Any]] = Field(
        description="Done in this order: step (its name), on (names of masks, left out: all), "
        "edge (hard, feather, soft), and the step's own parameters; see docs/server.md."
    )


class EditParameter(BaseModel):
    """A parameter of a step."""

    name: str
    about: str
    kind: Literal["number", "choice", "colour", "flag"]
    default: bool | float | str = Field(description="A colour as #rrggbb.")
    low: float | None = Field(default=None, description="Of a number, allowed itself.")
    high: float | None = None
    options: list[str] | None = Field(default=None, description="Of a choice.")


class EditStep(BaseModel):
    """A step that an edit may have."""

    step: str
    about: str
    edge: Literal["hard", "feather", "soft"] = Field(description="Of the masks, if left out.")
    parameters: list[EditParameter]


class JobStarted(BaseModel):
    """A job that was queued."""

    id: str
    state: JobState


class JobStatus(JobStarted):
    """A job and how far it is."""

    image: str = Field(description="The picture it is about.")
    done: int = Field(description="Points asked so far.")
    total: int = Field(description="Points to ask; 0 until that is known.")
    error: str | None = Field(description="Why it failed; null if it did not.")


class SamRecord(BaseModel):
    """A mask of everything mode as SA-1B has it."""

    segmentation: Rle
    area: int
    bbox: list[int] = Field(description="XYWH from the first to the last pixel, as SAM has it.")
    predicted_iou: float | None
    point_coords: list[list[float]]
    stability_score: float | None
    crop_box: list[int] = Field(description="XYWH of the part of the picture it was found in.")


class EverythingResult(BaseModel):
    """All masks of a picture."""

    records: list[SamRecord]


class LabelledRecord(SamRecord):
    """A mask that was found for a phrase."""

    label: str = Field(description="The phrase.")
    score: float = Field(description="How well it fits, 0 to 1.")


class PhrasePresence(BaseModel):
    """A phrase and how likely there is such a thing."""

    phrase: str
    presence: float = Field(description="Best score of any region, 0 to 1.")


class TextResult(BaseModel):
    """What was found for phrases; nothing is a normal answer."""

    phrases: list[PhrasePresence]
    records: list[LabelledRecord] = Field(description="Phrase by phrase, the best first.")
