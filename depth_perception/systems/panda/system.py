"""PanDA and what we made of it: models, files, networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...depth_space import ScaleKind
from ..card import TEST_MODEL, UNKNOWN_SCALE, panoramic
from ..depth_anything.config import PANDA_TINY, PANDA_TINY_METRIC, SIZES
from ..system import Model, System

if TYPE_CHECKING:
    from torch import nn

_HOME = "https://github.com/caozidong/PanDA"


def _models() -> Iterator[Model]:
    card = panoramic(
        name="panda-tiny-metric",
        title="PanDA in small on a convolutional pyramid, trained on synthetic worlds",
        parameters=2_957_505,
        weights_licence="Apache-2.0",
        scale=ScaleKind.METRIC,
        max_depth_m=20.0,
        default_height=112,
        file_name="panda_tiny_metric.safetensors",
        embedded=True,
        antialias=True,
        sky_above_m=19.5,
        notes="Part of the package. Trained on synthetic scenes only; for demonstration, not for "
        "measurement.",
    )
    yield Model(card, {"config": PANDA_TINY_METRIC, "max_depth": 20.0, "lora_rank": None})
    for size in SIZES:
        card = panoramic(
            name=f"panda-{size.name}",
            title=f"PanDA {size.name}, relative depth of panoramas",
            parameters=size.with_adapters,
            weights_licence=_licence(size.licence),
            scale=ScaleKind.AFFINE_INVARIANT,
            max_depth_m=None,
            default_height=504,
            file_name=f"panda_{size.name}.pth",
            home_page=_HOME,
            notes=UNKNOWN_SCALE,
        )
        yield Model(card, {"config": size.config})
    for place, data_set in (("matterport", "Matterport3D"), ("stanford", "Stanford2D3D")):
        for size in SIZES:
            card = panoramic(
                name=f"panda-{place}-{size.name}",
                title=f"PanDA {size.name} fine-tuned on {data_set}, metres",
                parameters=size.with_adapters,
                weights_licence=_licence(size.licence),
                scale=ScaleKind.METRIC,
                max_depth_m=10.0,
                default_height=504,
                file_name=f"panda_{place}_{size.name}.pth",
                home_page=_HOME,
                notes=f"Indoor rooms up to 10 m. {data_set} has its own terms of use.",
            )
            yield Model(card, {"config": size.config, "max_depth": 10.0})
    relative = {"scale": ScaleKind.AFFINE_INVARIANT, "max_depth_m": None, **TEST_MODEL}
    card = panoramic(
        name="panda-tiny-relative",
        title="The network of panda-tiny-metric for relative depth, for training on little data",
        parameters=2_957_505,
        default_height=112,
        antialias=True,
        file_name="panda_tiny_relative.safetensors",
        **relative,
    )
    yield Model(card, {"config": PANDA_TINY_METRIC, "lora_rank": None})
    card = panoramic(
        name="panda-tiny",
        title="PanDA architecture in the smallest size, for tests",
        parameters=435_993,
        default_height=140,
        file_name="panda_tiny.pth",
        **relative,
    )
    yield Model(card, {"config": PANDA_TINY})


def _licence(of_encoder: str) -> str:
    return f"none stated (made from {of_encoder})"


class PandaSystem(System):
    """PanDA: Depth Anything V2 with adapters, trained on panoramas."""

    name = "panda"
    title = "PanDA"
    models = tuple(_models())

    def build(self, model: Model, **overrides: Any) -> nn.Module:
        from .network import Panda, PandaHybrid

        arguments = {**model.arguments, **overrides}
        has_pyramid = arguments["config"].pyramid is not None
        return (PandaHybrid if has_pyramid else Panda)(**arguments)

    def build_for(self, model: Model, state: Mapping[str, Any]) -> nn.Module:
        return self.build(model, lora_rank=_lora_rank(state))


def _lora_rank(state: Mapping[str, Any]) -> int | None:
    """Rank of the adapters in a file; None where it has none."""
    for name, value in state.items():
        if name.endswith(".linear_a_q.weight") and hasattr(value, "shape"):
            return value.shape[0]
    return None


SYSTEM = PandaSystem()
