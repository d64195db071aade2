"""PanoLite: models, networks."""

from __future__ import annotations

from collections.abc import Iterator

from ...depth_space import ScaleKind
from ..card import NOT_RELEASED, TEST_MODEL, panoramic
from ..system import Model, System
from .config import PANOLITE, PANOLITE_TINY, STRIDE
from .options import PanoLiteOptions


def _models() -> Iterator[Model]:
    shared = {"scale": ScaleKind.METRIC, "max_depth_m": None, "patch_size": STRIDE}
    card = panoramic(
        name="panolite-metric",
        title="Range of panoramas from a known camera height, on EfficientNet-Lite",
        parameters=4_281_948,
        weights_licence=NOT_RELEASED,
        default_height=256,
        file_name="panolite_metric.safetensors",
        notes="Weights come by training, see docs/systems/panolite.md. Metres hold for the camera "
        "height that is set.",
        **shared,
    )
    yield Model(card, {"config": PANOLITE})
    card = panoramic(
        name="panolite-tiny",
        title="PanoLite in the smallest size, for tests",
        parameters=455_424,
        default_height=64,
        file_name="panolite_tiny.safetensors",
        **shared,
        **TEST_MODEL,
    )
    yield Model(card, {"config": PANOLITE_TINY})


class PanoLiteSystem(System):
    """A small panoramic model of this project."""

    name = "panolite"
    title = "PanoLite"
    models = tuple(_models())
    options = PanoLiteOptions
    network = ".network.PanoLite"
    estimator = ".estimator.PanoLiteEstimator"


SYSTEM = PanoLiteSystem()
