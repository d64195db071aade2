"""PanoLite: models, networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...depth_space import ScaleKind
from ..card import NOT_RELEASED, TEST_MODEL, panoramic, pinhole
from ..system import Model, System
from .config import (
    PANOLITE,
    PANOLITE_PANOPTIC,
    PANOLITE_PANOPTIC_TINY,
    PANOLITE_TINY,
    STRIDE,
    PanoLiteConfig,
)
from .options import PanoLiteOptions, PanoLitePanopticOptions

if TYPE_CHECKING:
    import torch


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
    yield from _panoptic_models()


def _panoptic_models() -> Iterator[Model]:
    """Panoramas and pinhole images by the same network and weights."""
    size = {"parameters": 4_343_368, "weights_licence": NOT_RELEASED, "default_height": 256}
    size |= {"file_name": "panolite_panoptic.safetensors"}
    notes = (
        "Streets and rooms. Weights come by training, see docs/systems/panolite.md. Metres hold "
        "for the camera height that is set"
    )
    yield _panoptic(
        PANOLITE_PANOPTIC,
        name="panolite-panoptic",
        title="Segments of pinhole images and their depth from a known camera height",
        notes=f"{notes} and a level camera. panolite-panoptic-360 takes panoramas.",
        **size,
    )
    yield _panoptic(
        PANOLITE_PANOPTIC,
        name="panolite-panoptic-360",
        title="Segments of panoramas and their range from a known camera height",
        notes=f"{notes}. The network and the weights are those of panolite-panoptic.",
        **size,
    )
    tiny = {"parameters": 458_724, "default_height": 64}
    tiny |= {"file_name": "panolite_panoptic_tiny.safetensors", **TEST_MODEL}
    for name, title in (("", "pinhole images"), ("-360", "panoramas")):
        yield _panoptic(
            PANOLITE_PANOPTIC_TINY,
            name=f"panolite-panoptic-tiny{name}",
            title=f"PanoLite for segments of {title} in the smallest size, for tests",
            **tiny,
        )


def _panoptic(config: PanoLiteConfig, **facts: Any) -> Model:
    make = panoramic if facts["name"].endswith("-360") else pinhole
    shared = {"scale": ScaleKind.METRIC, "max_depth_m": None, "patch_size": STRIDE}
    return Model(
        make(is_panoptic=True, **shared, **facts),
        {"config": config},
        PanoLitePanopticOptions,
        ".panoptic_network.PanoLitePanoptic",
        ".panoptic_estimator.PanoLitePanopticEstimator",
    )


class PanoLiteSystem(System):
    """A small panoramic model of this project."""

    name = "panolite"
    title = "PanoLite"
    models = tuple(_models())
    options = PanoLiteOptions
    network = ".network.PanoLite"
    estimator = ".estimator.PanoLiteEstimator"

    def parts(self, model: Model, device: torch.device, options: Any) -> dict[str, Any]:
        if not model.card.is_panoptic:
            return {}
        from ..panoptic import depth_part

        if options.depth_model and model.card.camera != "pinhole":
            raise ValueError(
                f"depth_model {options.depth_model} is for pinhole images: leave it unset for "
                f"{model.name}, which has depth of its own"
            )
        return depth_part(model.card, options, device)


SYSTEM = PanoLiteSystem()
