"""Figures that authors publish, to stand beside ours where the protocol is the same.

Pixel-Perfect Depth's are in :data:`.pinhole.PUBLISHED`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SCALEDEPTH_PUBLISHED: Mapping[str, Mapping[str, Mapping[str, float]]] = MappingProxyType(
    {
        "scaledepth-nk": {
            "nyu": {
                "d0_5": 0.75427, "d1": 0.93978, "d2": 0.99319, "d3": 0.99877,
                "abs_rel": 0.08341, "sq_rel": 0.03489, "rmse": 0.29278, "rmse_log": 0.10629,
                "log10": 0.03596, "silog": 8.15519,
            },
            "kitti": {
                "d0_5": 0.90064, "d1": 0.97824, "d2": 0.9977, "d3": 0.99948,
                "abs_rel": 0.04884, "sq_rel": 0.13733, "rmse": 2.00875, "rmse_log": 0.07411,
                "log10": 0.02126, "silog": 6.76623,
            },
        },
    }
)  # fmt: skip
"""Model -> data set -> numbers, from the log beside the released weights."""

PANDA_PUBLISHED: Mapping[str, Mapping[str, Mapping[str, float]]] = MappingProxyType(
    {
        "panda-matterport-large": {"matterport3d": {"rms": 0.3305}},
        "panda-stanford-large": {"stanford2d3d": {"rms": 0.2540}},
    }
)
"""Model -> data set -> numbers of the test split, after a public note on the CVPR paper, whose
tables we could not read."""

OMNIDEPTH_PUBLISHED: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "omnidepth-rectnet": {
            "abs_rel": 0.0641, "sq_rel": 0.0197, "rmse": 0.2297, "rmse_log": 0.0993,
            "d1": 0.9663, "d2": 0.9951, "d3": 0.9984,
        },
    }
)  # fmt: skip
"""Model -> numbers on 3D60 up to 8 m, from the README of meder411/OmniDepth-PyTorch, which does not
name the list; the 1298 panoramas of ``eccv18/caffe_test`` fit."""

PANOPTICDEPTH_PUBLISHED: Mapping[str, Mapping[str, Mapping[str, tuple[float, float, float]]]] = (
    MappingProxyType(
        {
            "panopticdepth-r50-seg": {"cityscapes": {"pq": (64.1, 58.8, 68.0)}},
            "panopticdepth-r50": {"cityscapes-dvps": {"dpq": (58.3, 52.1, 62.8)}},
        }
    )
)
"""Model -> data set -> number -> percent of all classes, things and stuff on the split ``val``,
from the README of NaiyuGao/PanopticDepth. ``dpq`` is the mean over three thresholds."""
