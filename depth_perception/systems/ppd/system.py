"""Pixel-Perfect Depth: models, files, networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..card import TEST_MODEL, pinhole
from ..system import Model, System
from .options import PpdOptions

if TYPE_CHECKING:
    import torch
    from torch import nn

    from .estimator import PpdEstimator

# parts of other networks that a file may hold beside the transformer
_OTHER_NETWORKS = ("sem_encoder.", "semantics_encoder.")
_HOME = "https://github.com/gangweix/pixel-perfect-depth"


def _models() -> Iterator[Model]:
    shared = {"patch_size": 16, "finds_camera": True}
    released = {"parameters": 499_842_112, "default_height": 768, "home_page": _HOME, **shared}
    card = pinhole(
        name="ppd-large",
        title="Pixel-Perfect Depth prompted by Depth Anything V2, metres by MoGe-2",
        weights_licence="Apache-2.0 (runs with weights of CC-BY-NC-4.0)",
        file_name="ppd.pth",
        hub_repo="gangweix/Pixel-Perfect-Depth",
        needs=("depth-anything-v2-large", "moge-2-vitl-normal"),
        stated="AbsRel / δ1, aligned: NYU 0.041 / 0.977, KITTI 0.070 / 0.955, ETH3D 0.043 / 0.980",
        notes="Also needs the weights of depth-anything-v2-large and, for metres, of "
        "moge-2-vitl-normal.",
        **released,
    )
    yield Model(card, {"semantics": "depth-anything-v2-large"})
    card = pinhole(
        name="ppd-large-moge",
        title="Pixel-Perfect Depth prompted by MoGe-2, metres by MoGe-2",
        weights_licence="Apache-2.0",
        file_name="ppd_moge.pth",
        drive_id="1tabmcsbRVDKDfmO4KU1vOjurzN-wp0HV",
        needs=("moge-2-vitl-normal",),
        stated="AbsRel / δ1, aligned: NYU 0.033 / 0.982, KITTI 0.053 / 0.970, ETH3D 0.030 / 0.991",
        notes="Also needs the weights of moge-2-vitl-normal.",
        **released,
    )
    yield Model(card, {"semantics": "moge-2-vitl-normal"})
    card = pinhole(
        name="ppd-tiny",
        title="Pixel-Perfect Depth architecture in the smallest size, for tests",
        parameters=562_304,
        default_height=48,
        file_name="ppd_tiny.pth",
        **shared,
        **TEST_MODEL,
    )
    sizes = {"dim": 64, "depth": 4, "heads": 4, "semantic_dim": 64}
    yield Model(card, {"semantics": "moge-2-tiny", **sizes})


class PpdSystem(System):
    """Pixel-Perfect Depth. The file of a model holds its transformer alone.

    The argument ``semantics`` of a model names the model whose tokens prompt the transformer.
    """

    name = "ppd"
    title = "Pixel-Perfect Depth"
    models = tuple(_models())
    options = PpdOptions
    estimator = ".estimator.PpdEstimator"

    def build(self, model: Model, **overrides: Any) -> nn.Module:
        from .transformer import SpDit, SpDitConfig

        sizes = {**model.arguments, **overrides}
        del sizes["semantics"]
        return SpDit(SpDitConfig(**sizes))

    def entries(self, state: dict[str, Any], network: nn.Module) -> dict[str, Any]:
        """Those of the transformer in a released file, or in one of the authors' trainer."""
        entries = {name.removeprefix("pipeline."): value for name, value in state.items()}
        return {n: value for n, value in entries.items() if not n.startswith(_OTHER_NETWORKS)}

    def load(
        self, model: Model, checkpoint: Path, device: torch.device, options: PpdOptions
    ) -> PpdEstimator:
        from .estimator import load_ppd

        transformer = self.load_network(model, checkpoint, device)
        return load_ppd(model, transformer, device, options)


SYSTEM = PpdSystem()
