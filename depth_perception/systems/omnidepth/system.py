"""OmniDepth: models, files, networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...depth_space import ScaleKind
from ..card import NOT_RELEASED, TEST_MODEL, panoramic
from ..system import Model, System
from .config import RECTNET, RECTNET_TINY, URESNET

_HOME = "https://github.com/meder411/OmniDepth-PyTorch"


def _models() -> Iterator[Model]:
    shared = {"licence": "none stated", "scale": ScaleKind.METRIC, "antialias": True}
    shared["max_depth_m"] = None
    rooms = {**shared, "max_depth_m": 8.0, "sky_above_m": 8.0, "default_height": 256}
    card = panoramic(
        name="omnidepth-rectnet",
        title="OmniDepth RectNet, range of indoor panoramas",
        parameters=8_870_194,
        weights_licence="none stated",
        patch_size=4,
        file_name="rectnet.pth",
        home_page=_HOME,
        git_repo="meder411/OmniDepth-PyTorch",
        git_path="rectnet.pth",
        revision="7ab2997ea7de20669df570859331cf71642abd1d",
        git_blob="b96b9dd8b4f92890ccefa54e4b6578f686896bc6",
        stated="AbsRel 0.064, RMS 0.230 m, δ1 0.966 after median alignment, up to 8 m",
        notes="Rendered rooms up to 8 m at 256 x 512; Caffe's HDF5 file loads too. Other data has "
        "another scale: align it.",
        **rooms,
    )
    yield Model(card, {"config": RECTNET})
    card = panoramic(
        name="omnidepth-uresnet",
        title="OmniDepth UResNet, range of indoor panoramas",
        parameters=51_252_035,
        weights_licence=NOT_RELEASED,
        patch_size=16,
        file_name="uresnet.pth",
        notes="Give a checkpoint of your own.",
        **rooms,
    )
    yield Model(card, {"config": URESNET}, network=".network.UResNet")
    card = panoramic(
        name="omnidepth-rectnet-tiny",
        title="OmniDepth RectNet in a small size, for training on little data",
        parameters=315_770,
        default_height=128,
        patch_size=4,
        file_name="omnidepth_rectnet_tiny.safetensors",
        **shared,
        **TEST_MODEL,
    )
    yield Model(card, {"config": RECTNET_TINY})


class OmniDepthSystem(System):
    """OmniDepth's RectNet, also from Caffe's file, and UResNet."""

    name = "omnidepth"
    title = "OmniDepth"
    models = tuple(_models())
    network = ".network.RectNet"
    estimator = ".estimator.OmniDepthEstimator"

    def read(self, model: Model, path: Path) -> dict[str, Any]:
        from .files import caffe_entries, is_hdf5

        is_caffe = not model.network and is_hdf5(path)
        return dict(caffe_entries(path)) if is_caffe else super().read(model, path)


SYSTEM = OmniDepthSystem()
