"""PanopticDepth: models, files, networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..card import pinhole
from ..system import Model, System
from .config import CITYSCAPES_FOCAL_PX, PANOPTICDEPTH, PANOPTICDEPTH_SEG, PANOPTICDEPTH_TINY
from .options import PanopticDepthOptions

if TYPE_CHECKING:
    import torch
    from torch import nn

_HOME = "https://github.com/NaiyuGao/PanopticDepth"


def _models() -> Iterator[Model]:
    shared = {"patch_size": 1, "is_panoptic": True}
    card = pinhole(
        name="panopticdepth-tiny",
        title="PanopticDepth in a small size, trained on synthetic streets",
        parameters=2_856_227,
        weights_licence="Apache-2.0",
        max_depth_m=80.0,
        default_height=128,
        file_name="panopticdepth_tiny.safetensors",
        embedded=True,
        reference_focal_px=128.0,
        notes="Part of the package. Trained on rendered streets only: to try the node with.",
        **shared,
    )
    yield Model(card, {"config": PANOPTICDEPTH_TINY})
    shared |= {
        "weights_licence": "none stated (made from Cityscapes: non-commercial)",
        "default_height": 1024,
        "home_page": _HOME,
        "link_unsure": True,
    }
    card = pinhole(
        name="panopticdepth-r50",
        title="PanopticDepth: panoptic segmentation and z-depth of every segment, metres",
        parameters=42_667_763,
        max_depth_m=80.0,
        file_name="panopticdepth_r50.pth",
        drive_id="1tFWIwP_SfwdypyjAUH14fHdk3qRbnkdp",
        stated="DPQ 58.3 on Cityscapes-DPS val",
        reference_focal_px=CITYSCAPES_FOCAL_PX,
        notes="Streets as Cityscapes shows them. Metres hold for its camera at 2048 columns; where "
        "the camera is known they are brought to its focal length.",
        **shared,
    )
    yield Model(card, {"config": PANOPTICDEPTH})
    card = pinhole(
        name="panopticdepth-r50-seg",
        title="PanopticDepth without depth: panoptic segmentation alone",
        parameters=38_697_315,
        file_name="panopticdepth_r50_seg.pth",
        drive_id="13m0DVJyuGw1Mdnnvcrlb9_i1b-b7cvjM",
        stated="PQ 64.1 on Cityscapes val",
        has_depth=False,
        notes="Streets as Cityscapes shows them; no depth.",
        **shared,
    )
    yield Model(card, {"config": PANOPTICDEPTH_SEG})


class PanopticDepthSystem(System):
    """PanopticDepth, with or without depth, from files of Detectron2 too."""

    name = "panopticdepth"
    title = "PanopticDepth"
    models = tuple(_models())
    options = PanopticDepthOptions
    network = ".network.PanopticDepth"
    estimator = ".estimator.PanopticDepthEstimator"

    def parts(self, model: Model, device: torch.device, options: Any) -> dict[str, Any]:
        from ..panoptic import depth_part

        return depth_part(model.card, options, device)

    def entries(self, state: dict[str, Any], network: nn.Module) -> dict[str, Any]:
        from .files import panoptic_entries

        return panoptic_entries(state, network)


SYSTEM = PanopticDepthSystem()
