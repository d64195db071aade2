"""MoGe-2 and MoGe-3: models, files, networks."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..card import TEST_MODEL, pinhole
from ..system import Model, System
from .options import MogeOptions

if TYPE_CHECKING:
    from torch import nn


_REFINER = "refiner."
_MASK_TOKEN = "encoder.backbone.mask_token"
_CLASS_TOKEN = "encoder.backbone.cls_token"

# Revision, SHA-256 and size of the files at the hub, as other public projects pin them.
_FILES = {
    "moge-2-vits-normal": (
        "679230677b4d282c6f304189a93e98e14f085902",
        "79a16621928c2bf0ed04659218c55c01075e950507f40bb3332fb4c873d3e1dc",
        140_550_416,
    ),
    "moge-2-vitb-normal": (
        "54ad3a693e61907ea4633d13dec6ee682fa09419",
        "16b8110e86d5dc5a849db120ca96ef3a223fd30b0c9146d1d81db504073da5f6",
        419_110_160,
    ),
    "moge-2-vitl-normal": (
        "b135031bae30b5ac2ae141a0e68717795ce38340",
        "280741fd09bc3f403ccff9967784c2a391b52d2c0742ae3efdb21d9f90cc1a01",
        1_323_815_904,
    ),
    "moge-2-vitl": (
        "39c4d5e957afe587e04eec59dc2bcc3be5ecd968",
        "3eefd4abb2102f38f12b2d1992e5ff15e4923e5431c67dd494afe157e0111cd5",
        1_305_030_700,
    ),
    "moge-3-vitl": (
        "184008f877d7ad1ad4c2cd2182a9bd1f63d0e5be",
        "9b41b7b9f65ad80aab7ad686f5e9cc0d1fd33f1964022618dfbcd52fc1fb7925",
        None,
    ),
}

_log = logging.getLogger(__name__)


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
            stated="60 ms per image (A100 or RTX 3090, float16)" if size == "vitl" else "",
            **_file(name),
            notes="Scale may differ between images of one place. Aspect ratios from 1:2 to 2:1.",
            **shared,
        )
        yield Model(card, {"size": size, "normal": normal})
    card = pinhole(
        name="moge-3-vitl",
        title="MoGe-3 vitl without its refiner: metric points, normals and field of view",
        parameters=330_901_544,
        weights_licence="MIT",
        default_height=840,
        file_name="moge_3_vitl.pt",
        hub_repo="Ruicheng/moge-3-vitl",
        hub_file="model.pt",
        stated="AbsRel with the refiner: KITTI 0.126, NYU 0.084 (second-hand)",
        **_file("moge-3-vitl"),
        notes="The refiner in the file is left out; the published figures are with it.",
        **shared,
    )
    yield Model(card, {"size": "vitl", "normal": True})
    for version in (2, 3):
        card = pinhole(
            name=f"moge-{version}-tiny",
            title=f"MoGe-{version} architecture in the smallest size, for tests",
            parameters=703_160,
            default_height=126,
            file_name=f"moge_{version}_tiny.pt",
            **shared,
            **TEST_MODEL,
        )
        yield Model(card, {"size": "tiny", "normal": True})


def _file(name: str) -> dict[str, Any]:
    return dict(zip(("revision", "sha256", "size_bytes"), _FILES[name], strict=True))


class MogeSystem(System):
    """MoGe-2 and MoGe-3; each file contains the configuration of its network."""

    name = "moge"
    title = "MoGe-2 and MoGe-3"
    models = tuple(_models())
    options = MogeOptions
    estimator = ".estimator.MogeEstimator"

    def build(self, model: Model, **overrides: Any) -> nn.Module:
        from .config import released_config
        from .network import Moge

        return Moge(released_config(**{**model.arguments, **overrides}))

    def read(self, model: Model, path: Path) -> dict[str, Any]:
        """The parameters, and the configuration that the file holds instead of the model's.

        The parameters of MoGe-3's refiner are left out.
        """
        from ..checkpoints import CheckpointError, read_configured
        from .config import MogeConfig, MogeConfigError, has_refiner

        state, mapping = read_configured(path)
        if has_refiner(mapping):
            state = _base_entries(state, path)
        try:
            return {"config": MogeConfig.from_mapping(mapping), "parameters": state}
        except MogeConfigError as error:
            raise CheckpointError(f"{path} (for {model.name}): {error}") from error

    def build_for(self, model: Model, state: Mapping[str, Any]) -> nn.Module:
        from .network import Moge

        return Moge(state["config"])

    def entries(self, state: dict[str, Any], network: nn.Module) -> dict[str, Any]:
        return state["parameters"]


def _base_entries(state: dict[str, Any], path: Path) -> dict[str, Any]:
    """Those entries of a file of MoGe-3 that are not its refiner's; a mask token if it has none."""
    left_out = [name for name in state if name.startswith(_REFINER)]
    if left_out:
        _log.info("%s: the %d parameters of %s* are left out", path, len(left_out), _REFINER)
    found = {name: value for name, value in state.items() if name not in left_out}
    if _MASK_TOKEN not in found and _CLASS_TOKEN in found:  # the network does not use it
        found[_MASK_TOKEN] = found[_CLASS_TOKEN].new_zeros(found[_CLASS_TOKEN].shape[1:])
    return found


SYSTEM = MogeSystem()
