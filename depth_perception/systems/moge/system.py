"""MoGe-2: models, files, networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..card import TEST_MODEL, pinhole
from ..system import Model, System
from .options import MogeOptions

if TYPE_CHECKING:
    from torch import nn


def _models() -> Iterator[Model]:
    shared = {"licence": "MIT", "finds_camera": True}
    for size, normal, parameters in (
        ("vits", True, 35_103_656),
        ("vitb", True, 104_743_592),
        ("vitl", True, 330_901_544),
        ("vitl", False, 326_209_221),
    ):
        name = f"moge-2-{size}{'-normal' if normal else ''}"
        card = pinhole(
            name=name,
            title=f"MoGe-2 {size}: metric points{', normals' if normal else ''} and field of view",
            parameters=parameters,
            weights_licence="MIT",
            default_height=840,
            file_name=f"{name.replace('-', '_')}.pt",
            hub_repo=f"Ruicheng/{name}",
            hub_file="model.pt",
            notes="Scale may differ between images of one place. Aspect ratios from 1:2 to 2:1.",
            **shared,
        )
        yield Model(card, {"size": size, "normal": normal})
    card = pinhole(
        name="moge-2-tiny",
        title="MoGe-2 architecture in the smallest size, for tests",
        parameters=703_160,
        default_height=126,
        file_name="moge_2_tiny.pt",
        **shared,
        **TEST_MODEL,
    )
    yield Model(card, {"size": "tiny", "normal": True})


class MogeSystem(System):
    """MoGe-2; each file contains the configuration of its network."""

    name = "moge"
    title = "MoGe-2"
    models = tuple(_models())
    options = MogeOptions
    estimator = ".estimator.MogeEstimator"

    def build(self, model: Model, **overrides: Any) -> nn.Module:
        from .config import released_config
        from .network import Moge

        return Moge(released_config(**{**model.arguments, **overrides}))

    def read(self, model: Model, path: Path) -> dict[str, Any]:
        """The parameters, and the configuration that the file holds instead of the model's."""
        from ..checkpoints import CheckpointError, read_configured
        from .config import MogeConfig, MogeConfigError

        state, mapping = read_configured(path)
        try:
            return {"config": MogeConfig.from_mapping(mapping), "parameters": state}
        except MogeConfigError as error:
            raise CheckpointError(f"{path} (for {model.name}): {error}") from error

    def build_for(self, model: Model, state: Mapping[str, Any]) -> nn.Module:
        from .network import Moge

        return Moge(state["config"])

    def entries(self, state: dict[str, Any], network: nn.Module) -> dict[str, Any]:
        return state["parameters"]


SYSTEM = MogeSystem()
