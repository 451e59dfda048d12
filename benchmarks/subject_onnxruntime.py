"""The default model's own files on onnxruntime, one session each, nothing around them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from subject import Decoded, Subject

from anymask.geometry.frames import Frame
from anymask.io.weights.cache import locate
from anymask.io.weights.zoo import find_entry

MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)


class OnnxRuntime(Subject):
    """`encoder.onnx` and `sam.onnx`, which answers one prompt a call with one chosen mask."""

    def __init__(self, architecture: str, checkpoint: Path, threads: int) -> None:
        del checkpoint
        located = locate(find_entry(architecture))
        if located is None:
            raise SystemExit(f"the files of {architecture} are not in the cache")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.encoder, self.decoder = (
            onnxruntime.InferenceSession(str(located.files[name]), options)
            for name in ("encoder.onnx", "sam.onnx")
        )
        self.embedding = np.zeros(0, np.float32)
        self.frame = Frame((1, 1))

    def encode(self, image: np.ndarray) -> np.ndarray:
        """Normalise, pad, run the encoder."""
        height, width = image.shape[:2]
        canvas = np.zeros((1, 3, 1024, 1024), np.float32)
        canvas[0, :, :height, :width] = ((image - MEAN) / STD).transpose(2, 0, 1)
        return self.encoder.run(None, {"input": canvas})[0][0]

    def hold(self, embedding: np.ndarray, size_hw: tuple[int, int]) -> None:
        """Keep an encoded image for the following clicks."""
        self.embedding, self.frame = embedding[None], Frame(size_hw)

    def decode(self, points_xy: np.ndarray) -> Decoded:
        """One call a point; the graph also makes the full-size mask each time."""
        answers = [self._run(point) for point in points_xy]
        return Decoded(*(np.concatenate(parts) for parts in zip(*answers, strict=True)))

    def mask(self, point_xy: tuple[float, float]) -> np.ndarray:
        """The graph's own full-size mask."""
        return self._outputs(np.array(point_xy))[0][0, 0] > 0

    def _run(self, point_xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        _, iou, low_res = self._outputs(point_xy)
        return low_res, iou

    def _outputs(self, point_xy: np.ndarray) -> list[np.ndarray]:
        coords = np.zeros((1, 2, 2), np.float32)
        coords[0, 0] = self.frame.points_to_canvas(point_xy)
        return self.decoder.run(
            ["masks", "iou_predictions", "low_res_masks"],
            {
                "image_embeddings": self.embedding,
                "point_coords": coords,
                "point_labels": np.array([[1, -1]], np.float32),
                "mask_input": np.zeros((1, 1, 256, 256), np.float32),
                "has_mask_input": np.zeros(1, np.float32),
                "orig_im_size": np.array(self.frame.size_hw, np.float32),
            },
        )
