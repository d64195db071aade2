"""Depth Anything V2: models and networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...depth_space import DepthSpace, ScaleKind
from ..card import UNKNOWN_SCALE, ModelCard, pinhole
from ..options import EstimatorOptions
from ..system import Model, System
from .config import SIZES, Size
from .options import BoundedOptions

if TYPE_CHECKING:
    from ..estimator import Estimator

_HUB = "depth-anything/Depth-Anything-V2"


def _models() -> Iterator[Model]:
    for size in SIZES:
        card = _card(
            size,
            size.name,
            title=f"Depth Anything V2 {size.name}, relative inverse depth",
            space=DepthSpace.INVERSE_DEPTH,
            scale=ScaleKind.AFFINE_INVARIANT,
            file_name=f"depth_anything_v2_{size.encoder}.pth",
            hub_repo=f"{_HUB}-{size.name.capitalize()}",
            notes=UNKNOWN_SCALE,
        )
        yield Model(card, {"config": size.config, "activation": "relu"})
    for place, data_set, limit in (("indoor", "Hypersim", 20.0), ("outdoor", "VKITTI", 80.0)):
        for size in SIZES:
            card = _card(
                size,
                f"metric-{place}-{size.name}",
                title=f"Depth Anything V2 {size.name}, metres, {place} ({data_set})",
                max_depth_m=limit,
                file_name=f"depth_anything_v2_metric_{data_set.lower()}_{size.encoder}.pth",
                hub_repo=f"{_HUB}-Metric-{data_set}-{size.name.capitalize()}",
                notes="Metres hold for focal lengths near those of the training set.",
            )
            arguments = {"config": size.config, "activation": "sigmoid", "max_depth": limit}
            yield Model(card, arguments)


def _card(size: Size, name: str, **facts: Any) -> ModelCard:
    facts |= {"parameters": size.parameters, "weights_licence": size.licence}
    return pinhole(name=f"depth-anything-v2-{name}", default_height=518, **facts)


class DepthAnythingSystem(System):
    """Depth Anything V2 in its three sizes, relative and metric."""

    name = "depth_anything"
    title = "Depth Anything V2"
    models = tuple(_models())
    bounded = "depth_perception.systems.depth_anything.estimator.BoundedEstimator"
    network = ".network.DepthAnything"

    def options_class(self, model: Model) -> type[EstimatorOptions]:
        return BoundedOptions if model.card.is_metric else EstimatorOptions

    def estimator_class(self, model: Model) -> type[Estimator]:
        return self._imported(self.bounded if model.card.is_metric else self.estimator)


SYSTEM = DepthAnythingSystem()
