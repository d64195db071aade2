"""PanDA and the models of this project based on it: models, files, networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...depth_space import ScaleKind
from ..card import TEST_MODEL, UNKNOWN_SCALE, ModelCard, panoramic
from ..depth_anything.config import PANDA_TINY, PANDA_TINY_METRIC, SIZES, Size
from ..depth_anything.options import BoundedOptions
from ..options import EstimatorOptions
from ..system import Model, System

if TYPE_CHECKING:
    from torch import nn

    from ..estimator import Estimator

_HOME = "https://github.com/caozidong/PanDA"
_HYBRID = ".network.PandaHybrid"


def _models() -> Iterator[Model]:
    card = panoramic(
        name="panda-tiny-metric",
        title="PanDA in small on a convolutional pyramid, trained on synthetic worlds",
        parameters=2_957_505,
        weights_licence="Apache-2.0",
        scale=ScaleKind.METRIC,
        max_depth_m=20.0,
        default_height=112,
        heights=(112, 112),
        file_name="panda_tiny_metric.safetensors",
        embedded=True,
        antialias=True,
        sky_above_m=19.5,
        notes="Part of the package. Trained on synthetic scenes only; for demonstration, not for "
        "measurement.",
    )
    hybrid = {"config": PANDA_TINY_METRIC, "lora_rank": None}
    yield Model(card, {**hybrid, "max_depth": 20.0}, network=_HYBRID)
    relative = {"scale": ScaleKind.AFFINE_INVARIANT, "max_depth_m": None}
    for size in SIZES:
        title = f"PanDA {size.name}, relative depth of panoramas"
        card = _released(size, size.name, title=title, notes=UNKNOWN_SCALE, **relative)
        yield Model(card, {"config": size.config})
    for place, data_set, rmse in (
        ("matterport", "Matterport3D", 0.3305),
        ("stanford", "Stanford2D3D", 0.2540),
    ):
        metric = {"scale": ScaleKind.METRIC, "max_depth_m": 10.0}
        metric["notes"] = f"Indoor rooms up to 10 m. {data_set} has its own terms of use."
        for size in SIZES:
            title = f"PanDA {size.name} fine-tuned on {data_set}, metres"
            stated = f"RMSE {rmse} m on {data_set} (second-hand)" if size.name == "large" else ""
            card = _released(size, f"{place}-{size.name}", title=title, stated=stated, **metric)
            yield Model(card, {"config": size.config, "max_depth": 10.0})
    relative |= TEST_MODEL
    card = panoramic(
        name="panda-tiny-relative",
        title="The network of panda-tiny-metric for relative depth, for training on little data",
        parameters=2_957_505,
        default_height=112,
        antialias=True,
        file_name="panda_tiny_relative.safetensors",
        **relative,
    )
    yield Model(card, hybrid, network=_HYBRID)
    card = panoramic(
        name="panda-tiny",
        title="PanDA architecture in the smallest size, for tests",
        parameters=435_993,
        default_height=140,
        file_name="panda_tiny.pth",
        **relative,
    )
    yield Model(card, {"config": PANDA_TINY})


def _released(size: Size, name: str, **facts: Any) -> ModelCard:
    return panoramic(
        name=f"panda-{name}",
        parameters=size.with_adapters,
        weights_licence=f"none stated (made from {size.licence})",
        default_height=504,
        file_name=f"panda_{name.replace('-', '_')}.pth",
        home_page=_HOME,
        hub_repo="ZidongC/PanDA",
        **facts,
    )


class PandaSystem(System):
    """PanDA: Depth Anything V2 with adapters, trained on panoramas."""

    name = "panda"
    title = "PanDA"
    models = tuple(_models())
    network = ".network.Panda"
    bounded = "depth_perception.systems.depth_anything.estimator.BoundedEstimator"

    def options_class(self, model: Model) -> type[EstimatorOptions]:
        return BoundedOptions if model.card.is_metric else EstimatorOptions

    def estimator_class(self, model: Model) -> type[Estimator]:
        return self._imported(self.bounded if model.card.is_metric else self.estimator)

    def build_for(self, model: Model, state: Mapping[str, Any]) -> nn.Module:
        return self.build(model, lora_rank=_lora_rank(state))


def _lora_rank(state: Mapping[str, Any]) -> int | None:
    """Rank of the adapters in a file; None where it has none."""
    for name, value in state.items():
        if name.endswith(".linear_a_q.weight") and hasattr(value, "shape"):
            return value.shape[0]
    return None


SYSTEM = PandaSystem()
