"""EoMT: models, files, networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..card import TEST_MODEL, ModelCard, pinhole
from ..system import Model, System
from .config import BASE, LARGE, SMALL, TINY
from .options import EomtOptions

if TYPE_CHECKING:
    import torch
    from torch import nn

_HUB = "tue-mps/coco_panoptic_eomt"
# Of the files at the hub, as another public project pins them; the revisions are unknown.
_SHA256 = {
    "small": "7365b41a8a129afc74c12e5dd7af534146286d02822e4b89b7bbe8ea613ff74d",
    "base": "2c8f3296d46f410b85ab64edca34792241d9842dc5031b6b00d4f721a663a8ec",
    "large": "d48c4a6e51bb04dd5ffa8bf720ccb2ef3ad7b13f8c072ad5a8b6028e7d9e9715",
}
_NOTES = (
    "133 classes of COCO panoptic. Segments without depth: name a depth_model for distances. "
    "Images are resized and padded to 640 x 640."
)


def _models() -> Iterator[Model]:
    for size, config, parameters, repository, quality, rate in (
        ("small", SMALL, 23_975_942, f"{_HUB}_small_640_2x", 46.7, 330),
        ("base", BASE, 93_663_110, f"{_HUB}_base_640_2x", 51.6, 261),
        ("large", LARGE, 316_695_686, f"{_HUB}_large_640", 56.0, 128),
    ):
        card = _card(
            size,
            title=f"EoMT {size}: panoptic segmentation, 133 classes of COCO",
            parameters=parameters,
            weights_licence="MIT",
            hub_repo=repository,
            hub_file="pytorch_model.bin",
            sha256=_SHA256[size],
            stated=f"PQ {quality} on COCO val2017; {rate} images/s (H100, compiled, float16)",
            default_height=640,
            notes=_NOTES,
        )
        yield Model(card, {"config": config})
    card = _card(
        "tiny",
        title="EoMT in the smallest size, for tests",
        parameters=363_398,
        default_height=160,
        **TEST_MODEL,
    )
    yield Model(card, {"config": TINY})


def _card(size: str, **facts: Any) -> ModelCard:
    fixed = {"licence": "MIT", "patch_size": 16, "is_panoptic": True, "has_depth": False}
    return pinhole(name=f"eomt-{size}", file_name=f"eomt_{size}.bin", **fixed, **facts)


class EomtSystem(System):
    """EoMT with the weights for COCO panoptic."""

    name = "eomt"
    title = "EoMT"
    models = tuple(_models())
    options = EomtOptions
    network = ".network.Eomt"
    estimator = ".estimator.EomtEstimator"

    def entries(self, state: dict[str, Any], network: nn.Module) -> dict[str, Any]:
        from .files import network_entries

        return network_entries(state)

    def parts(self, model: Model, device: torch.device, options: Any) -> dict[str, Any]:
        from ..panoptic import depth_part

        return depth_part(model.card, options, device)


SYSTEM = EomtSystem()
