"""Named settings of everything mode."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from anymask.errors import PromptError
from anymask.inference.everything.settings import EverythingSettings

PRESETS: Final[Mapping[str, EverythingSettings]] = MappingProxyType(
    {
        # the published defaults
        "exact": EverythingSettings(),
        # a quarter of the points, see docs/everything.md for what is lost
        "fast": EverythingSettings(novel_share=0.25, novel_distance=0.17),
        # how SA-1B was made (paper, appendix B); there with a network of its own
        "sa1b": EverythingSettings(
            crop_n_layers=2,
            crop_n_points_downscale_factor=2,
            min_mask_region_area=100,
            drop_all_small=True,
            max_mask_share=0.95,
        ),
        # object proposals (paper, appendix D.3)
        "proposals": EverythingSettings(
            points_per_side=64,
            pred_iou_thresh=0.0,
            stability_score_thresh=0.0,
            box_nms_thresh=0.9,
            min_mask_area=1,
            max_masks=1000,
        ),
        # the masks that edges are drawn from (paper, appendix D.2)
        "edges": EverythingSettings(
            points_per_side=16, pred_iou_thresh=0.0, stability_score_thresh=0.0, min_mask_area=1
        ),
    }
)


def preset(name: str) -> EverythingSettings:
    """The settings of a name; change single ones with `dataclasses.replace`.

    Raises:
        PromptError: there is no such preset.
    """
    if name not in PRESETS:
        raise PromptError(f"preset must be one of {', '.join(PRESETS)}; got {name!r}")
    return PRESETS[name]
