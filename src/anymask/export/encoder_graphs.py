"""The image encoders as ONNX graphs, written from their tensors.

Written by hand, as the decoder's graphs are, so that no exporter of any PyTorch version is asked
and every shape is a constant: one image, a canvas of fixed size, standard operators only. Sizes are
read from the tensors themselves, so that a fine-tuned or smaller network of the same make is
exported the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anymask.export.contract import EXPORT
from anymask.export.tiny_vit_graphs import tiny_vit_body
from anymask.export.token_maps import TokenMap, as_image, as_rows
from anymask.export.vit_graphs import vit_body
from anymask.export.writer import Graph, Part, model_proto

if TYPE_CHECKING:
    from onnx import ModelProto

    from anymask.export.writer import Tensors

_NORM_2D_EPS = 1e-6


def encoder_graph(tensors: Tensors) -> ModelProto:
    """The graph that makes an image's embedding.

    Args:
        tensors: published name -> array, of the image encoder.

    Returns:
        A model that keeps the contract "encoder" of `contract.EXPORT`.

    Raises:
        WeightsError: tables made for another canvas.
    """
    encoder, g = Part(tensors, "image_encoder"), Graph()
    tiny = encoder.has("patch_embed.seq.0.c.weight")
    body = tiny_vit_body(g, encoder, "canvas") if tiny else vit_body(g, encoder, "canvas")
    g.name(_neck(g, encoder / "neck", body), "embedding")
    return model_proto(g, "encoder", EXPORT["encoder"])


def _neck(g: Graph, neck: Part, body: TokenMap) -> str:
    """The two convolutions to the embedding."""
    pointwise = (neck / "0").tensor("weight")
    channels = len(pointwise)
    x = g.op("MatMul", body.rows, pointwise.reshape(channels, -1).T)
    x = g.norm(x, *(neck / "1").pair, _NORM_2D_EPS)
    x = as_image(g, TokenMap(x, body.side, channels))
    x = g.op("Conv", x, (neck / "2").tensor("weight"), pads=[1, 1, 1, 1])
    x = g.norm(as_rows(g, x, channels), *(neck / "3").pair, _NORM_2D_EPS)
    return as_image(g, TokenMap(x, body.side, channels))
