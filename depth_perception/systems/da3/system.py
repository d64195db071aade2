"""Depth Anything 3, monocular: models and networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...depth_space import ScaleKind
from ..card import TEST_MODEL, UNKNOWN_SCALE, ModelCard, pinhole
from ..depth_anything.config import LARGE, PANDA_TINY
from ..system import Model, System
from .options import Da3Options

_METRES = "Metres need the focal length: give a camera. Sky is not valid by default."


def _models() -> Iterator[Model]:
    released = {"weights_licence": "Apache-2.0", "parameters": 334_171_394, "default_height": 504}
    card = _card(
        "metric-large",
        title="Depth Anything 3, metres from the focal length, and sky",
        hub_repo="depth-anything/DA3METRIC-LARGE",
        # as other public projects pin them
        revision="4010e39f3634a45bc60553321fb49fb760bd594e",
        sha256="bbea5b0b3ee389849cffa7ddae89de064a90abd2b055fc5aa99aac68db324776",
        size_bytes=1_336_734_448,
        stated="AbsRel / δ1: NYU 0.070 / 0.963, KITTI 0.086 / 0.953, ETH3D 0.104 / 0.917 "
        "(second-hand)",
        needs_camera=True,
        notes=_METRES,
        **released,
    )
    yield Model(card, {"config": LARGE})
    card = _card(
        "mono-large",
        title="Depth Anything 3, relative depth, and sky",
        hub_repo="depth-anything/DA3MONO-LARGE",
        # as other public projects pin them
        revision="f465978e618db8cc79c83b8bbf24964857db1875",
        sha256="7a799a7f95eb8d4c404c2ca8be3dc3276b350a417ddc4420db72ba850cc0e960",
        scale=ScaleKind.AFFINE_INVARIANT,
        notes=UNKNOWN_SCALE,
        **released,
    )
    yield Model(card, {"config": LARGE})
    card = _card(
        "tiny",
        title="Depth Anything 3 in the smallest size, for tests",
        parameters=429_562,
        default_height=126,
        needs_camera=True,
        **TEST_MODEL,
    )
    yield Model(card, {"config": PANDA_TINY})


def _card(name: str, **facts: Any) -> ModelCard:
    file_name = f"da3_{name.replace('-', '_')}.safetensors"
    return pinhole(name=f"da3-{name}", file_name=file_name, hub_file="model.safetensors", **facts)


class Da3System(System):
    """The monocular models of Depth Anything 3, which have one network."""

    name = "da3"
    title = "Depth Anything 3"
    models = tuple(_models())
    options = Da3Options
    network = ".network.DepthAnything3"
    estimator = ".estimator.Da3Estimator"


SYSTEM = Da3System()
