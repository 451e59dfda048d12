"""`SamPredictor`: the published predictor, as a thin shell that remembers one image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from anymask.compat.extra import require_torch
from anymask.compat.prompts import batch_of_one, batch_on_canvas, to_numpy
from anymask.compat.transforms import ResizeLongestSide
from anymask.errors import AnymaskError, ImageError, PromptTypeError
from anymask.geometry.frames import Frame
from anymask.geometry.resample import upsample_masks
from anymask.inference.backend import Decoded, PromptBatch
from anymask.inference.encoded import EncodedImage
from anymask.inference.segment import Model
from anymask.types.masks import MASK_THRESHOLD

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from anymask.inference.torch_backend import TorchBackend
    from anymask.nn.model import Sam

FloatArray = NDArray[np.float32]


class ImageNotSetError(AnymaskError, RuntimeError):
    """A predictor was asked about an image before it was given one."""


class _State:
    """Features and sizes, equal as long as nobody has set or changed them."""

    def __init__(self, features: Tensor | FloatArray, sizes: tuple[tuple[int, int], ...]) -> None:
        self.features, self.sizes = features, sizes
        self.version = _version(features)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _State)
            and self.features is other.features
            and (self.version, self.sizes) == (other.version, other.sizes)
        )

    __hash__ = None  # type: ignore[assignment]


def _version(features: Tensor | FloatArray) -> object:
    """Something that differs once the content may have been changed in place."""
    if isinstance(features, np.ndarray):
        return object() if features.flags.writeable else None
    return object() if features.is_inference() else features._version


class SamPredictor:
    """Masks for prompts on one image at a time.

    It holds that image by contract, so each thread needs a predictor of its own; the weights may
    be shared. `anymask.Model` is the same without the memory.

    Args:
        model: a network of `sam_model_registry`, which is put into evaluation mode, or a model of
            `anymask.load_model`.

    Attributes:
        model: the network, or the `anymask.Model` where its engine has none to show.
        transform: moves images, points and boxes to the canvas.
        is_image_set: whether there is an image to ask about.
        features: (1, C, h, w) image embedding; a tensor on the network's device, or an array where
            the engine is not PyTorch. Together with the next two it may be stored and set again.
        original_size: (H, W) of the image.
        input_size: (h, w) of the resized image on the canvas.
    """

    features: Tensor | FloatArray | None
    original_size: tuple[int, int] | None
    input_size: tuple[int, int] | None
    _encoded: tuple[_State, EncodedImage] | None

    def __init__(self, model: Sam | Model) -> None:
        self.core = model if isinstance(model, Model) else _wrap(model)
        self._network: Sam | None = getattr(self.core.backend, "sam", None)
        self.model: Sam | Model = self.core if self._network is None else self._network
        self.transform = ResizeLongestSide(self.core.backend.canvas_px)
        self.reset_image()

    @property
    def device(self) -> torch.device:
        """Where the network lives."""
        require_torch("to name a device")
        import torch

        return torch.device(self.core.backend.device)

    def set_image(self, image: Any, image_format: str = "RGB") -> None:
        """Encode an image, so that `predict` can be asked about it.

        Args:
            image: (H, W, 3) uint8, a Pillow image, or whatever else `Model.encode` takes as one
                image, an `EncodedImage` too.
            image_format: order of an array's channels, "RGB" or "BGR".

        Raises:
            ImageError: not a picture, or an unknown order.
        """
        self.reset_image()
        if image_format not in ("RGB", "BGR"):
            raise ImageError(f'image_format must be "RGB" or "BGR"; got {image_format!r}')
        if isinstance(image, (list, tuple)):
            raise ImageError(
                f"image must be one picture, an array of shape (H, W, 3); "
                f"got a {type(image).__name__} of {len(image)}"
            )
        encoded = self.core.encode(image, color="BGR" if image_format == "BGR" else "RGB")
        self.features = self._as_features(encoded.embedding[None])
        self._remember(encoded.frame.size_hw, encoded.frame.resized_hw)
        self._encoded = self._state(), encoded

    def set_torch_image(
        self, transformed_image: Tensor, original_image_size: tuple[int, int]
    ) -> None:
        """Encode an image that was resized already.

        Args:
            transformed_image: (1, 3, h, w) RGB in 0..255, its longer side the canvas's.
            original_image_size: (H, W) before it was resized.

        Raises:
            ImageError: another shape.
        """
        self.reset_image()
        side, shape = self.core.backend.canvas_px, tuple(transformed_image.shape)
        if len(shape) != 4 or shape[:2] != (1, 3) or max(shape[2:]) != side:
            raise ImageError(
                f"transformed_image must have shape (1, 3, h, w) with the longer side {side}; "
                f"got shape {shape}; resize it with predictor.transform.apply_image_torch"
            )
        height, width = original_image_size
        self.features = self._encode_tensor(transformed_image)
        self._remember((int(height), int(width)), (shape[2], shape[3]))

    def predict(
        self,
        point_coords: Any = None,
        point_labels: Any = None,
        box: Any = None,
        mask_input: Any = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[NDArray[Any], FloatArray, FloatArray]:
        """Masks for one prompt, in pixels of the original image.

        Args:
            point_coords: (N, 2) of (x, y).
            point_labels: (N,) of 1 (foreground) and 0 (background).
            box: (4,) XYXY.
            mask_input: (1, L, L) low-res logits of a former call, or a mask of the image's size.
            multimask_output: the three candidates in the network's own order, or the one mask.
            return_logits: masks as logits.

        Returns:
            Masks (C, H, W) bool, or float32 logits; predicted IoU (C,) float32; low-res logits
            (C, L, L) float32. C is 3 or 1, L is 256 for the published networks.

        Raises:
            ImageNotSetError: there is no image.
            PromptTypeError: something that is not made of numbers, such as a text.
            PromptError: nothing given, or a wrong shape or value.
        """
        image = self._image()
        decoded = self._decode(
            image,
            batch_of_one(
                point_coords, point_labels, box, mask_input, image.frame, bool(multimask_output)
            ),
        )
        logits = self._upsample(decoded.logits[0])
        masks = logits if return_logits else logits > self._threshold
        return masks, decoded.iou[0], decoded.logits[0]

    def predict_torch(
        self,
        point_coords: Any,
        point_labels: Any,
        boxes: Any = None,
        mask_input: Any = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Masks for B prompts, in pixels of the canvas (see `transform`).

        Args:
            point_coords: (B, N, 2) of (x, y), or (N, 2) for one prompt.
            point_labels: (B, N) of 1 (foreground), 0 (background) and -1 (ignored).
            boxes: (B, 4) XYXY.
            mask_input: (B, 1, L, L) low-res logits of a former call.
            multimask_output: the three candidates in the network's own order, or the one mask.
            return_logits: masks as logits.

        Returns:
            Masks (B, C, H, W) bool, or float32 logits; predicted IoU (B, C); low-res logits
            (B, C, L, L); on the network's device, without gradient.

        Raises:
            ImageNotSetError: there is no image.
            PromptTypeError: something that is not made of numbers, such as a text.
            PromptError: nothing given, or a wrong shape or value.
        """
        require_torch("for predict_torch; without it there is predict")
        import torch

        image = self._image()
        decoded = self._decode(
            image,
            batch_on_canvas(
                point_coords, point_labels, boxes, mask_input, image.frame, bool(multimask_output)
            ),
        )
        low_res, iou = (
            torch.from_numpy(part).to(self.device) for part in (decoded.logits, decoded.iou)
        )
        if self._network is None:
            logits = torch.from_numpy(self._upsample(decoded.logits)).to(self.device)
        else:
            logits = self._network.postprocess_masks(low_res, *self._sizes())
        return logits if return_logits else logits > self._threshold, iou, low_res

    def get_image_embedding(self) -> Tensor:
        """(1, C, h, w) float32 on the network's device, without gradient.

        Raises:
            ImageNotSetError: there is no image.
        """
        features = self._features()
        require_torch("for get_image_embedding; without it there is the attribute features")
        import torch

        if isinstance(features, torch.Tensor):
            return features.to(self.device)
        return torch.tensor(features, device=self.device)  # a copy: the array may be read-only

    def reset_image(self) -> None:
        """Forget the image."""
        self.is_image_set = False
        self.features = self.original_size = self.input_size = None
        self._encoded = None

    @property
    def _threshold(self) -> float:
        return MASK_THRESHOLD if self._network is None else self._network.mask_threshold

    def _remember(self, original_size: tuple[int, int], input_size: tuple[int, int]) -> None:
        self.original_size, self.input_size = original_size, input_size
        self.is_image_set = True

    def _sizes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """`input_size` and `original_size`."""
        if not self.is_image_set or self.input_size is None or self.original_size is None:
            raise ImageNotSetError("no image is set; call set_image(image) before asking for masks")
        return self.input_size, self.original_size

    def _features(self) -> Tensor | FloatArray:
        self._sizes()
        if self.features is None:
            raise ImageNotSetError("features is None; call set_image(image) or set it again")
        return self.features

    def _image(self) -> EncodedImage:
        """The remembered image as the value that the engine takes.

        It stays the same value between calls, so that the engine can keep what it made of it,
        until someone sets other features or sizes.
        """
        state = self._state()
        if self._encoded is None or self._encoded[0] != state:
            self._encoded = state, self._encode_features()
        return self._encoded[1]

    def _state(self) -> _State:
        """What the encoded image is made of."""
        return _State(self._features(), self._sizes())

    def _encode_features(self) -> EncodedImage:
        embedding = to_numpy(self._features())[0].astype(np.float32)
        _, (height, width) = self._sizes()
        frame = Frame((int(height), int(width)), self.core.backend.canvas_px)
        return EncodedImage(embedding, frame, self.core.model_id, "")

    def _decode(self, image: EncodedImage, prompts: PromptBatch) -> Decoded:
        return self.core.backend.decode([image], prompts)

    def _upsample(self, low_res: FloatArray) -> FloatArray:
        """(..., L, L) low-res logits to (..., H, W)."""
        resized_hw, original_hw = self._sizes()
        return upsample_masks(low_res, self.core.backend.canvas_px, resized_hw, original_hw)

    def _encode_tensor(self, image: Tensor) -> Tensor | FloatArray:
        if self._network is None:
            pixels = to_numpy(image)[0].transpose(1, 2, 0)
            return self.core.backend.encode(pixels.round().clip(0, 255).astype(np.uint8))[None]
        import torch

        with torch.no_grad():
            canvas = self._network.preprocess(image.to(self._network.device).float())
            # Only the PyTorch engine shows a network.
            backend = cast("TorchBackend", self.core.backend)
            return backend.encode_canvas(canvas).float()

    def _as_features(self, embedding: FloatArray) -> Tensor | FloatArray:
        if self._network is None:
            return embedding
        import torch

        return torch.tensor(embedding, device=self._network.device)


def _wrap(sam: Sam) -> Model:
    """A network as a model, on the device it is on."""
    require_torch("to run a network")
    from anymask.inference.torch_backend import TorchBackend
    from anymask.nn.model import Sam

    if not isinstance(sam, Sam):
        raise PromptTypeError(
            "model must be a network of sam_model_registry or a model of anymask.load_model; "
            f"got {type(sam).__name__} {sam!r:.60}"
        )
    return Model(TorchBackend(sam), model_id="", architecture="")
