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

# Revision, SHA-256 and size of the files at the hub, as other public projects pin them.
_FILES = {
    "small": (
        "03876f8651c73a60fe4c2c48294e09fcb6838fcf",
        "715fade13be8f229f8a70cc02066f656f2423a59effd0579197bbf57860e1378",
        99_218_434,
    ),
    "base": (
        "a4e71a6c2ce52fe50df0f212066b0d4a87be9b5e",
        "0d2b7002e62d39d655571c371333340bd88f67ab95050c03591555aa05645328",
        389_961_218,
    ),
    "large": (
        "cbbb86a30ce19b5684b7a05155dc7e6cbc7685b9",
        "a7ea19fa0ed99244e67b624c72b8580b7e9553043245905be58796a608eb9345",
        1_341_395_338,
    ),
    "metric-indoor-small": (
        "3bc65d4e14a6786a61acec16453c50e12bf5f338",
        "b782898d8a3e8be1f639de33837ed85e9b4b73e40f8f5e5cd99067588d722545",
        99_222_290,
    ),
    "metric-indoor-base": (
        "",  # unknown
        "9dc9e274c5eff55c6daf27b660c0ced0eca4e8593a6da90cdcb04d2b4d3f3fa2",
        389_965_138,
    ),
    "metric-indoor-large": (
        "79720800638389a78b2defc92caa885104f69974",
        "6f82ff2bc543ac02ddff4aa31fa363676a8305dd3ccf04e80e2af115a044cb6d",
        1_341_401_882,
    ),
    "metric-outdoor-small": (
        "c725b8589bdf6ab04072cab74c0467830db80d6d",
        "9203e538d35255c90dda4b7fedb47ff33fe725497bcca3b1e53b3a65ee63f0cb",
        99_221_808,
    ),
    "metric-outdoor-base": (
        "",  # unknown
        "4dad67a7cc10b462bca48e6b8569c762b8eb3c1adada170a3851a6d3ba37bb3e",
        389_964_656,
    ),
    "metric-outdoor-large": (
        "",  # unknown
        "239b1054a369e66da2576e9a118d6d7c12d90dc8ebe609579a9a09cd8e05fe38",
        1_341_401_064,
    ),
}


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
    facts |= zip(("revision", "sha256", "size_bytes"), _FILES[name], strict=True)
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
