"""`Model`: encode images, segment them by prompts. The main job of the package."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.errors import PromptError, PromptTypeError
from anymask.geometry.frames import Frame
from anymask.inference.backend import Backend, Decoded
from anymask.inference.batching import place
from anymask.inference.choice import Rank, answer
from anymask.inference.encoded import EncodedImage, image_hash
from anymask.io.images import as_rgb, read_image
from anymask.types.masks import Masks
from anymask.types.prompt import Prompt

Picture: TypeAlias = "str | PathLike[str] | bytes | NDArray[np.generic] | Image.Image"
"""A file's path or bytes, an array (see `anymask.io.images.as_rgb`), or a Pillow image."""
ColorOrder = Literal["RGB", "BGR"]


class Model:
    """Weights with an engine. Keeps no image and no request: safe to share between threads.

    Args:
        backend: the engine that runs the network.
        model_id: names the weights, such as "vit_t@18348d14".
        architecture: such as "vit_t".
    """

    def __init__(self, backend: Backend, *, model_id: str, architecture: str) -> None:
        self.backend = backend
        self.model_id = model_id
        self.architecture = architecture

    def __repr__(self) -> str:
        engine = f"{self.backend.name} on {self.backend.device}"
        return f"Model({self.model_id}, {engine}, canvas {self.backend.canvas_px} px)"

    @overload
    def encode(  # type: ignore[overload-overlap]  # a str is a sequence too, but comes first here
        self, image: Picture | EncodedImage, *, color: ColorOrder = "RGB"
    ) -> EncodedImage: ...
    @overload
    def encode(
        self, image: Sequence[Picture | EncodedImage], *, color: ColorOrder = "RGB"
    ) -> list[EncodedImage]: ...
    def encode(
        self,
        image: Picture | EncodedImage | Sequence[Picture | EncodedImage],
        *,
        color: ColorOrder = "RGB",
    ) -> EncodedImage | list[EncodedImage]:
        """Run the image encoder: the slow part, needed once an image.

        Args:
            image: a picture, or a list of them.
            color: order of the channels of arrays; files always come out right.

        Returns:
            The encoded image, or one for each of the list.

        Raises:
            ImageError: a picture that cannot be read.
        """
        if isinstance(image, (list, tuple)):
            return [self._encode_one(one, color) for one in image]
        return self._encode_one(image, color)  # type: ignore[arg-type]

    def _encode_one(self, image: Picture | EncodedImage, color: ColorOrder) -> EncodedImage:
        if isinstance(image, EncodedImage):
            return self._checked(image)
        rgb = read_picture(image, color)
        frame = Frame((rgb.shape[0], rgb.shape[1]), self.backend.canvas_px)
        embedding = self.backend.encode(resize(rgb, frame.resized_hw))
        return EncodedImage(embedding, frame, self.model_id, image_hash(rgb))

    def _checked(self, image: EncodedImage) -> EncodedImage:
        canvas_px = self.backend.canvas_px
        if image.model_id != self.model_id or image.frame.canvas_px != canvas_px:
            raise PromptError(
                f"image was encoded by {image.model_id} at {image.frame.canvas_px} px but this "
                f"model is {self.model_id} at {canvas_px} px; encode it with this model"
            )
        return image

    @overload
    def segment(  # type: ignore[overload-overlap]
        self,
        image: Picture | EncodedImage,
        prompts: Prompt | Sequence[Prompt],
        *,
        multimask: bool | None = None,
        rank: Rank = "plausibility",
        color: ColorOrder = "RGB",
    ) -> Masks: ...
    @overload
    def segment(
        self,
        image: Sequence[Picture | EncodedImage],
        prompts: Sequence[Prompt | Sequence[Prompt]],
        *,
        multimask: bool | None = None,
        rank: Rank = "plausibility",
        color: ColorOrder = "RGB",
    ) -> list[Masks]: ...
    def segment(
        self,
        image: Picture | EncodedImage | Sequence[Picture | EncodedImage],
        prompts: Prompt | Sequence[Prompt | Sequence[Prompt]],
        *,
        multimask: bool | None = None,
        rank: Rank = "plausibility",
        color: ColorOrder = "RGB",
    ) -> Masks | list[Masks]:
        """Masks for prompts.

        Args:
            image: a picture or an encoded image; or a list of them.
            prompts: one prompt or a list; for a list of images, one entry an image, each a prompt
                or a list.
            multimask: three candidates a prompt (True), or one (False); None gives three where the
                prompt is exactly one point.
            rank: which answer is chosen: the most plausible one, which overlaps what was meant far
                more often (docs/quality.md), or, as published, the one of highest "predicted_iou".
            color: order of the channels of arrays; files always come out right.

        Returns:
            One row a prompt; for a list of images, one `Masks` an image.

        Raises:
            PromptTypeError: something that is no prompt.
            PromptError: a prompt that does not fit its image.
            ImageError: a picture that cannot be read.

        Example:
            >>> model = load_model("vit_t")  # doctest: +SKIP
            >>> masks = model.segment("photo.jpg", Prompt(points=[(320, 240)]))  # doctest: +SKIP
            >>> masks.array.shape  # doctest: +SKIP
            (1, 480, 640)
        """
        several = isinstance(image, (list, tuple))
        images: list[Any] = list(image) if isinstance(image, (list, tuple)) else [image]
        rows = _prompts_by_image(prompts, len(images), several=several)
        encoded = [self._encode_one(one, color) for one in images]
        self._check_tokens(encoded, rows)
        placed = [
            place(prompt, encoded[number].frame, image=number, multimask=multimask)
            for number, row in enumerate(rows)
            for prompt in row
        ]
        answers = answer(self.backend, encoded, placed, rank)
        results, start = [], 0
        for one, row in zip(encoded, rows, strict=True):
            results.append(self._masks(one, answers[start : start + len(row)]))
            start += len(row)
        return results if several else results[0]

    def _check_tokens(
        self, images: Sequence[EncodedImage], rows: Sequence[Sequence[Prompt]]
    ) -> None:
        """Refuse tokens that this engine does not take, or of another width than the images'."""
        for image, row in zip(images, rows, strict=True):
            width = len(image.embedding)
            for token in (prompt.token for prompt in row if prompt.token is not None):
                if not self.backend.takes_tokens:
                    raise PromptError(
                        f"a prompt has a token, which engine {self.backend.name!r} does not take; "
                        "load the model with engine='torch'"
                    )
                if len(token) != width:
                    raise PromptError(f"token must be {width} numbers; got {len(token)}")

    def _masks(self, image: EncodedImage, answers: Sequence[Decoded]) -> Masks:
        logits, iou = [one.logits for one in answers], [one.iou for one in answers]
        return Masks.from_rows(image.frame, logits, iou, self.model_id)


def _prompts_by_image(
    prompts: Prompt | Sequence[Prompt | Sequence[Prompt]], images: int, *, several: bool
) -> list[list[Prompt]]:
    """One list of prompts for each image."""
    if not several:
        return [prompt_list(prompts)]
    if isinstance(prompts, Prompt) or not isinstance(prompts, (list, tuple)):
        raise PromptTypeError(
            f"prompts must be a list with one entry for each of the {images} images; "
            f"got {type(prompts).__name__}"
        )
    if len(prompts) != images:
        raise PromptError(
            f"prompts has {len(prompts)} entries for {images} images; give one entry an image, "
            "each a Prompt or a list of them"
        )
    return [prompt_list(row) for row in prompts]


def prompt_list(prompts: object) -> list[Prompt]:
    """One prompt or several as a list.

    Raises:
        PromptTypeError: something that is no prompt.
    """
    row = [prompts] if isinstance(prompts, Prompt) else prompts
    if not isinstance(row, (list, tuple)):
        raise PromptTypeError(
            f"prompts must be a Prompt or a list of them; got {type(prompts).__name__}"
            + (f" {prompts!r}" if isinstance(prompts, str) else "")
            + "; for a click write Prompt(points=[(x, y)])"
        )
    for number, prompt in enumerate(row):
        if not isinstance(prompt, Prompt):
            raise PromptTypeError(
                f"prompts[{number}] must be a Prompt; got {type(prompt).__name__}; "
                "for a click write Prompt(points=[(x, y)])"
            )
    return list(row)


def read_picture(image: Picture, color: ColorOrder) -> NDArray[np.uint8]:
    """Any picture as (H, W, 3) uint8 RGB.

    Args:
        image: see `Picture`.
        color: order of the channels of arrays.

    Raises:
        ImageError: a picture that cannot be read.
    """
    if isinstance(image, (str, PathLike, bytes)):
        return read_image(image)
    return as_rgb(image, color=color)


def resize(image: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize as the published code does: Pillow's antialiased bilinear filter, rounded to uint8.

    Args:
        image: (H, W, 3) uint8.
        size_hw: (h, w) to make.

    Returns:
        (h, w, 3) uint8.
    """
    height, width = size_hw
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)
