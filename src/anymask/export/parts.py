"""What is exported: the options, and the graphs they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from anymask.errors import WeightsError
from anymask.export.contract import EXPORT, GraphContract, with_lengths
from anymask.export.decoder_graphs import Slots, decoder_graph, original_graph, slot_lengths
from anymask.export.encoder_graphs import encoder_graph
from anymask.export.quantize import quantized
from anymask.inference.onnx_graphs import MASK_TOKENS

if TYPE_CHECKING:
    from onnx import ModelProto

    from anymask.export.writer import Tensors

ENCODER, DECODER = "encoder", "decoder"
PARTS = (ENCODER, DECODER)

Layout = Literal["batched", "original"]
BATCHED: Final = "batched"
ORIGINAL: Final = "original"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is exported.

    Attributes:
        encoder: with the image encoder.
        decoder: with the prompt encoder and the mask decoder.
        layout: of the decoder: "batched" answers many prompts a call with low-res logits;
            "original" has the six inputs that other tools know.
        slots: N and T for a batched decoder of N prompts of T points, all shapes constant.
        quantize: the decoder's weights in fewer bits, see `quantize`.
        single_mask: one mask a prompt inside the original layout, instead of all four.

    Raises:
        WeightsError: what does not go together.
    """

    encoder: bool = True
    decoder: bool = True
    layout: Layout = BATCHED
    slots: Slots | None = None
    quantize: bool = False
    single_mask: bool = False

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        if not (self.encoder or self.decoder):
            raise WeightsError("nothing is left to export; take the encoder, the decoder or both")
        if self.slots is not None and min(self.slots) < 1:
            raise WeightsError(f"slots must be at least 1 prompt of 1 point; got {self.slots}")
        for name, wanted, layout in (
            ("constant numbers of prompts and points", self.slots is not None, BATCHED),
            ("a single mask", self.single_mask, ORIGINAL),
            ("quantised weights", self.quantize, self.layout),
        ):
            if wanted and not (self.decoder and layout == self.layout):
                kind = "" if layout == self.layout else f" in the {layout} layout"
                raise WeightsError(f"{name} can only be had of a decoder{kind}")


def part_contracts(options: ExportOptions) -> dict[str, GraphContract]:
    """What goes in and comes out of each part, by its name."""
    found = {}
    if options.encoder:
        found[ENCODER] = EXPORT["encoder"]
    if options.decoder and options.layout == ORIGINAL:
        answers = {"A": 1 if options.single_mask else MASK_TOKENS}
        found[DECODER] = with_lengths(EXPORT["original"], answers)
    elif options.decoder:
        found[DECODER] = with_lengths(EXPORT["decoder"], slot_lengths(options.slots))
    return found


def write_graph(part: str, tensors: Tensors, options: ExportOptions) -> ModelProto:
    """The graph of one part.

    Args:
        part: one of `PARTS`.
        tensors: published name -> array.
        options: what is exported.

    Raises:
        WeightsError: a network of another make.
    """
    if part == ENCODER:
        return encoder_graph(tensors)
    if options.layout == ORIGINAL:
        graph = original_graph(tensors, single_mask=options.single_mask)
    else:
        graph = decoder_graph(tensors, options.slots)
    return quantized(graph) if options.quantize else graph
