"""Published evaluations: how the authors of a system evaluate it, and their figures.

Imports nothing heavy; the functions import what they need. The figures are shown beside ours where
the protocol is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..systems import Estimator
    from .loop import Predict


_CROPPED_KITTI_ROWS = 352  # ScaleDepth's authors do not resample KITTI
_OF_NYU_AND_KITTI = "scaledepth-nk"  # its own configuration sets windows, flip and clamps


@dataclass(frozen=True)
class Official:
    """What a published evaluation of a system sets; all else is as usual.

    Attributes:
        options: model and data set to options of the estimator.
        predict: estimator, data set and the height that the user gives to the way to predict; None
            as a value of either kind means the usual way.
        rules: model and name of the protocol to fields of the protocol that differ.
    """

    options: Callable[[str, str], Mapping[str, Any]] = lambda model, dataset: {}
    predict: Callable[[Estimator, str, int | None], Predict | None] | None = None
    rules: Callable[[str, str], Mapping[str, Any]] = lambda model, name: {}


def _panda_options(model: str, dataset: str) -> Mapping[str, Any]:
    from .panda import NETWORK_HEIGHT

    return {"height": NETWORK_HEIGHT, "seam": "off"}


def _predict_ppd(estimator: Estimator, dataset: str, height: int | None) -> Predict:
    from .relative import predict_as_published

    return predict_as_published(estimator)


def _scaledepth_options(model: str, dataset: str) -> Mapping[str, Any]:
    options: dict[str, Any] = {"height": _CROPPED_KITTI_ROWS} if dataset == "kitti" else {}
    if model == _OF_NYU_AND_KITTI and dataset in ("nyu", "kitti"):
        from ..systems.scaledepth.windows import Windows

        options |= {"flip": True, "windows": Windows(scale="own")}
    return options


def _scaledepth_rules(model: str, name: str) -> Mapping[str, Any]:
    return {"clamp": True} if model == _OF_NYU_AND_KITTI and name in ("nyu", "kitti") else {}


def _predict_scaledepth(estimator: Estimator, dataset: str, height: int | None) -> Predict | None:
    from .zero_shot import ZERO_SHOT, predict_as_published

    if dataset not in ZERO_SHOT or height is not None:
        return None
    return predict_as_published(estimator, dataset)


def _predict_disparity(estimator: Estimator, dataset: str, height: int | None) -> Predict:
    from .stereo_metrics import predict_pairs

    return predict_pairs(lambda sample: estimator(sample.image, sample.camera).values)


OFFICIAL: Mapping[tuple[str, str], Official] = {
    ("ppd", "ppd"): Official(lambda *_: {"align": "none"}, _predict_ppd),
    ("panda", "panda"): Official(_panda_options),
    ("omnidepth", "omnidepth"): Official(lambda *_: {"seam": "off"}),
    ("scaledepth", "scaledepth"): Official(
        _scaledepth_options, _predict_scaledepth, _scaledepth_rules
    ),
    ("blindspot", "eigen"): Official(lambda *_: {"formula": "relative"}, _predict_disparity),
}
"""By system and kind of benchmark."""

ONLY_PROTOCOL: Mapping[str, str] = {"ppd": "ppd"}
"""System -> the only protocol that its values are scored by, as relative depth."""


def official(system: str, kind: str) -> Official:
    """What the authors of a system set for a kind of benchmark."""
    return OFFICIAL.get((system, kind), Official())


_PPD = {
    "ppd-large": {
        "nyu": (0.041, 0.977), "kitti": (0.070, 0.955), "eth3d": (0.043, 0.980),
        "scannet": (0.046, 0.972), "diode": (0.068, 0.959),
    },
    "ppd-large-moge": {
        "nyu": (0.033, 0.982), "kitti": (0.053, 0.970), "eth3d": (0.030, 0.991),
        "scannet": (0.035, 0.981), "diode": (0.052, 0.970),
    },
}  # fmt: skip
PUBLISHED: dict[str, Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "ppd": {
        model: {name: {"abs_rel": error, "d1": share} for name, (error, share) in numbers.items()}
        for model, numbers in _PPD.items()
    },
    # from the log beside the released weights
    "scaledepth": {
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
    },
    # test splits, from a public note on the CVPR paper, whose tables we could not read
    "panda": {
        "panda-matterport-large": {"matterport3d": {"rms": 0.3305}},
        "panda-stanford-large": {"stanford2d3d": {"rms": 0.2540}},
    },
    # up to 8 m, from the README of meder411/OmniDepth-PyTorch, which does not name the list; the
    # 1298 panoramas of eccv18/caffe_test fit
    "omnidepth": {
        "omnidepth-rectnet": {
            "3d60": {
                "abs_rel": 0.0641, "sq_rel": 0.0197, "rmse": 0.2297, "rmse_log": 0.0993,
                "d1": 0.9663, "d2": 0.9951, "d3": 0.9984,
            },
        },
    },
    # split val, percent of all classes, things and stuff, from the README of
    # NaiyuGao/PanopticDepth; dpq is the mean over three thresholds
    "panoptic": {
        "panopticdepth-r50-seg": {"cityscapes": {"pq": (64.1, 58.8, 68.0)}},
        "panopticdepth-r50": {"cityscapes-dvps": {"dpq": (58.3, 52.1, 62.8)}},
    },
}  # fmt: skip
"""Protocol -> model -> data set -> numbers by name."""


def published(protocol: str, model: str, dataset: str) -> Mapping[str, Any] | None:
    """The figures of the authors; None where there are none."""
    return PUBLISHED.get(protocol, {}).get(model, {}).get(dataset)
