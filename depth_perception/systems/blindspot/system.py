"""Eliminating the Blind Spot: models, files, networks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...depth_space import ScaleKind
from ..card import TEST_MODEL, panoramic, pinhole
from ..system import Model, System
from .config import BLINDSPOT_TINY, BLINDSPOT_VGG
from .options import BlindSpotOptions, BlindSpotPinholeOptions

_HOME = "https://github.com/yuniw18/panoramic-depth-estimation-pytorch"


def _git_files() -> tuple[tuple[str, str], ...]:
    """Names and git ids of the authors' files, as in the tree of the revision."""
    path = Path(__file__).with_name("numpy_weight.json")
    return tuple(json.loads(path.read_text(encoding="utf-8")).items())


def _models() -> Iterator[Model]:
    common = {"scale": ScaleKind.METRIC, "max_depth_m": None, "antialias": True}
    shared = {
        "parameters": 31_600_072,
        "licence": "BSD-3-Clause, parts of it UCLB ACP-A (non-commercial)",
        "weights_licence": "none stated (made from KITTI: non-commercial)",
        "default_height": 256,
        "patch_size": BLINDSPOT_VGG.multiple,
        "file_name": "blindspot_vgg",
        "home_page": _HOME,
        "git_repo": "yuniw18/panoramic-depth-estimation-pytorch",
        "git_path": "numpy_weight",
        "git_files": _git_files(),
        "revision": "145b2908e68001d4abc25830ff16241eef9ac8c9",
        **common,
    }
    card = panoramic(
        name="blindspot-vgg",
        title="Eliminating the Blind Spot: self-supervised disparity of panoramas, to metres",
        notes="Outdoor, near the horizon. The metres rest on a formula and are not to be trusted: "
        "align them. The authors run it with seam circular and flip. The checkpoint may also "
        "be the file generator.pkl.",
        **shared,
    )
    yield Model(card, {"config": BLINDSPOT_VGG})
    card = pinhole(
        name="blindspot-vgg-rectilinear",
        title="The network of blindspot-vgg on pinhole images: monodepth",
        notes="Roads as KITTI shows them. Metres by the focal length of the camera and the "
        "baseline of the training. Same file as blindspot-vgg.",
        **shared,
    )
    rectilinear = (BlindSpotPinholeOptions, "", ".estimator.BlindSpotPinholeEstimator")
    yield Model(card, {"config": BLINDSPOT_VGG}, *rectilinear)
    card = panoramic(
        name="blindspot-tiny",
        title="Blind-spot VGG in a small size, for training on little data",
        parameters=950_792,
        default_height=128,
        patch_size=BLINDSPOT_TINY.multiple,
        **common,
        file_name="blindspot_tiny.safetensors",
        **TEST_MODEL,
    )
    yield Model(card, {"config": BLINDSPOT_TINY})


class BlindSpotSystem(System):
    """The blind-spot VGG on panoramas and on pinhole images."""

    name = "blindspot"
    title = "Eliminating the Blind Spot"
    models = tuple(_models())
    options = BlindSpotOptions
    network = ".network.BlindSpotVgg"
    estimator = ".estimator.BlindSpotEstimator"

    def read(self, model: Model, path: Path) -> dict[str, Any]:
        if not path.is_dir():
            return super().read(model, path)
        import torch

        from .files import numpy_entries

        with torch.device("meta"):
            network = self.build(model)
        names = network.official_names()
        shapes = {names[n]: tuple(value.shape) for n, value in network.state_dict().items()}
        return dict(numpy_entries(path, shapes))


SYSTEM = BlindSpotSystem()
