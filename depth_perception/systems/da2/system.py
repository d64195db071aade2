"""DA2: models and networks."""

from __future__ import annotations

from collections.abc import Iterator

from ...depth_space import ScaleKind
from ..card import TEST_MODEL, panoramic
from ..system import Model, System
from .config import DA2_LARGE, DA2_TINY

_RANGE = {"scale": ScaleKind.SCALE_INVARIANT, "max_depth_m": None}


def _models() -> Iterator[Model]:
    card = panoramic(
        name="da2-large",
        title="DA2, range of panoramas up to one factor",
        parameters=344_615_682,
        weights_licence="Apache-2.0",
        default_height=546,
        file_name="da2_large.safetensors",
        hub_repo="haodongli/DA-2",
        hub_file="model.safetensors",
        # as other public projects pin them
        revision="0d55ccb5e46b8ed4715fae3a4c04fc897f1689f3",
        sha256="d8ea568fc3dfb7d7432e5b763de499dd03fb6dc1c2020d84639f35e2dfa4f78e",
        size_bytes=1_378_513_064,
        home_page="https://github.com/EnVision-Research/DA-2",
        stated="AbsRel after median alignment, up to 5 m: Stanford2D3D 0.072, Matterport3D 0.067, "
        "PanoSUNCG 0.060 (second-hand)",
        notes="One factor is unknown: recover it with a scale source. The sky has some finite "
        "range. The decoder resembles that of UniK3D, whose licence is CC-BY-NC.",
        **_RANGE,
    )
    yield Model(card, {"config": DA2_LARGE})
    card = panoramic(
        name="da2-tiny",
        title="DA2 architecture in the smallest size, for tests",
        parameters=1_147_090,
        default_height=140,
        file_name="da2_tiny.safetensors",
        **_RANGE,
        **TEST_MODEL,
    )
    yield Model(card, {"config": DA2_TINY})


class Da2System(System):
    """DA2: DINOv2 whose tokens attend to the directions of the sphere."""

    name = "da2"
    title = "DA2"
    models = tuple(_models())
    network = ".network.Da2"
    estimator = ".estimator.Da2Estimator"


SYSTEM = Da2System()
