"""How the authors of a system evaluate it: options of the estimator, protocol, way to predict.

Imports nothing heavy; the functions import what they need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
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

    return {"height": NETWORK_HEIGHT}


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


OFFICIAL: Mapping[tuple[str, str], Official] = MappingProxyType(
    {
        ("ppd", "ppd"): Official(lambda model, dataset: {"align": "none"}, _predict_ppd),
        ("panda", "panda"): Official(_panda_options),
        ("scaledepth", "scaledepth"): Official(
            _scaledepth_options, _predict_scaledepth, _scaledepth_rules
        ),
        ("blindspot", "eigen"): Official(
            lambda model, dataset: {"formula": "relative"}, _predict_disparity
        ),
    }
)
"""By system and kind of benchmark."""

ONLY_PROTOCOL: Mapping[str, str] = MappingProxyType({"ppd": "ppd"})
"""System -> the only protocol that its values are scored by, as relative depth."""


def official(system: str, kind: str) -> Official:
    """What the authors of a system set for a kind of benchmark."""
    return OFFICIAL.get((system, kind), Official())
