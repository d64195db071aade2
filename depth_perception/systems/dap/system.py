"""DAP: models, files, networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...depth_space import ScaleKind
from ..card import TEST_MODEL, panoramic
from ..system import Model, System
from .config import DAP_LARGE, DAP_TINY, MAX_DEPTH_M
from .options import DapOptions

if TYPE_CHECKING:
    from torch import nn

_HUB = "Insta360-Research/DAP-weights"
_TERMS = (
    "The DINOv3 License (https://ai.meta.com/resources/models-and-libraries/dinov3-license) allows "
    "commercial use but no military, nuclear, espionage or weapons use, and must accompany every "
    "copy of the weights."
)
_RANGE = {
    "licence": "MIT",
    "scale": ScaleKind.METRIC,
    "max_depth_m": MAX_DEPTH_M,
    "patch_size": 16,
}


def _models() -> Iterator[Model]:
    card = panoramic(
        name="dap-large",
        title="DAP, range of panoramas in metres",
        parameters=365_050_242,
        weights_licence="DINOv3 License",
        default_height=512,
        file_name="dap_large.pth",
        hub_repo=_HUB,
        hub_file="model.pth",
        size_bytes=1_460_746_347,  # as other public projects state it; no reliable SHA-256 is known
        terms=_TERMS,
        home_page="https://github.com/Insta360-Research-Team/DAP",
        stated="AbsRel / δ1: Stanford2D3D 0.092 / 0.914, Matterport3D 0.119 / 0.852, Deep360 "
        "0.066 / 0.953 (second-hand)",
        notes=f"Up to 100 m; pixels that the model takes for farther are not valid. {_TERMS}",
        **_RANGE,
    )
    yield Model(card, {"config": DAP_LARGE})
    card = panoramic(
        name="dap-tiny",
        title="DAP architecture in the smallest size, for tests",
        parameters=461_938,
        default_height=128,
        file_name="dap_tiny.pth",
        **_RANGE,
        **TEST_MODEL,
    )
    yield Model(card, {"config": DAP_TINY})


class DapSystem(System):
    """DAP: DINOv3 with a head for range and one for what is too far."""

    name = "dap"
    title = "DAP"
    models = tuple(_models())
    options = DapOptions
    network = ".network.Dap"
    estimator = ".estimator.DapEstimator"

    def entries(self, state: dict[str, Any], network: nn.Module) -> dict[str, Any]:
        from ..checkpoints import without_aliases

        return without_aliases(state, _canonical)


def _canonical(name: str) -> str:
    """The authors' adapter stores the blocks of its backbone a second time."""
    return name.replace("core.pretrained.blocks.", "core.pretrained.model.blocks.")


SYSTEM = DapSystem()
