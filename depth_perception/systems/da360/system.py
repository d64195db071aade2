"""DA360: models, files, networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...depth_space import DepthSpace, ScaleKind
from ..card import TEST_MODEL, panoramic
from ..depth_anything.config import PANDA_TINY, SIZES
from ..system import Model, System

if TYPE_CHECKING:
    from torch import nn

_HOME = "https://github.com/Insta360-Research-Team/DA360"
_RANGE = {
    "licence": "MIT",
    "space": DepthSpace.INVERSE_DEPTH,
    "scale": ScaleKind.SCALE_INVARIANT,
    "max_depth_m": None,
}
# Ids on Google Drive in the order of the authors' script; which is which is inferred.
_DRIVE = {
    "small": "1NYF4yJR83HEtxzOURLdmONeUe413auP6",
    "base": "1cWEUZP-uBuk6WlUi0KJF3zdd05ckHKuR",
    "large": "17CEsiWRvGPKVrEOonGLXYcxobLK8idId",
}
# As a public project that uses the file states it; those of the others are unknown.
_SHA256 = {"small": "cba5dfeeb2199b4a7089a98ce08c7506c1e5ea12b22c3e4ad51cbdb15150dd74"}
_PARAMETERS = {"small": 24_878_210, "base": 97_841_346, "large": 335_973_570}
# What the authors store beside the parameters, which the names of the models say too.
_STORED_BESIDE = ("net", "dinov2_encoder", "height", "width")


def _models() -> Iterator[Model]:
    for size in SIZES:
        card = panoramic(
            name=f"da360-{size.name}",
            title=f"DA360 {size.name}, range of panoramas up to one factor",
            parameters=_PARAMETERS[size.name],
            weights_licence=f"none stated (made from {size.licence})",
            default_height=518,
            file_name=f"DA360_{size.name}.pth",
            home_page=_HOME,
            drive_id=_DRIVE[size.name],
            sha256=_SHA256.get(size.name, ""),
            link_unsure=True,
            notes="One factor is unknown: recover it with a scale source. The sky is the farthest "
            "surface, not invalid.",
            **_RANGE,
        )
        yield Model(card, {"config": size.config})
    card = panoramic(
        name="da360-tiny",
        title="DA360 architecture in the smallest size, for tests",
        parameters=434_618,
        default_height=140,
        file_name="da360_tiny.pth",
        **_RANGE,
        **TEST_MODEL,
    )
    yield Model(card, {"config": PANDA_TINY})


class Da360System(System):
    """DA360: Depth Anything V2 for panoramas, with a shift of its own for each image."""

    name = "da360"
    title = "DA360"
    models = tuple(_models())
    network = ".network.Da360"
    estimator = ".estimator.Da360Estimator"

    def entries(self, state: dict[str, Any], network: nn.Module) -> dict[str, Any]:
        from ..checkpoints import without_aliases

        state = {name: value for name, value in state.items() if name not in _STORED_BESIDE}
        return without_aliases(state, _canonical)


def _canonical(name: str) -> str:
    """The authors store each convolution of the head as X.weight and as X.conv.weight."""
    return name.replace(".conv.", ".") if ".depth_head." in name else name


SYSTEM = Da360System()
