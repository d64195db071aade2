"""Cases of MoGe-3 without its refiner."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from golden.cases import Case, Comparison
from golden.fill import fill_manifest, load_manifest
from golden.kinds import Kinds
from golden.kinds.ppd import constants
from golden.stages import compare_known
from torch import Tensor

import depth_perception as dp
from depth_perception.geometry import Pinhole
from depth_perception.systems.checkpoints import load_strictly
from depth_perception.systems.moge.config import MogeConfig
from depth_perception.systems.moge.geometry import focal_of_fov, moge_geometry
from depth_perception.systems.moge.network import Moge, token_grid

KINDS = Kinds()
BUFFERS = ("encoder.image_mean", "encoder.image_std")


def is_large(case: Case) -> bool:
    return case.entry["variant"] != "moge3_tiny"


def configuration(case: Case) -> dict[str, Any]:
    return json.loads(case.file(case.options["model_config"]).read_text(encoding="utf-8"))


def parameters(case: Case) -> dict[str, Tensor]:
    return case.state() | {name: constants(name) for name in BUFFERS}


def official_file(case: Case, folder: str) -> Path:
    """The parameters of a case in a file as published, with those of a refiner."""
    refiner = load_manifest(case.file(f"manifest-{case.entry['variant']}-refiner.json"))
    path = Path(folder) / "model.pt"
    state = parameters(case) | fill_manifest(refiner, 0)
    torch.save({"model_config": configuration(case), "model": state}, path)
    return path


@KINDS.add("network", lambda case: case.entry.get("kind") == "network", is_large)
def network(case: Case) -> Iterator[Comparison]:
    with torch.device("meta"):
        network = Moge(MogeConfig.from_mapping(configuration(case)))
    network.to_empty(device="cpu").eval()
    load_strictly(network, parameters(case), network.official_names(), case.name)
    found: dict[str, Tensor] = {}

    def keep(name: str, module: torch.nn.Module) -> None:
        module.register_forward_hook(lambda *call: found.update({name: call[2]}))

    images, count = case["x"], case.options["num_tokens"]
    grid = token_grid(count, images.shape[-1] / images.shape[-2])
    network.neck.register_forward_pre_hook(lambda _, given: found.update(level0_input=given[0][0]))
    network.neck.register_forward_hook(
        lambda *call: found.update({f"neck{level}": x for level, x in enumerate(call[2])})
    )
    for head in ("points", "normal", "mask"):
        module = getattr(network, f"{head}_head")
        module.register_forward_hook(
            lambda *call, head=head: found.update({f"raw_{head}": call[2][-1]})
        )
    keep("raw_scale", network.scale_head)
    with torch.inference_mode():
        maps = network(images, count)
        found["encoder_features"], found["class_token"] = network.encoder(images, grid)
    found |= {name: value for name, value in maps._asdict().items() if value is not None}
    yield from compare_known(case, found)


@KINDS.add("run_image", lambda case: case.entry.get("kind") == "run_image", is_large)
def run_image(case: Case) -> Iterator[Comparison]:
    image, count = case["image"], case.options["num_tokens"]
    height, width = image.shape[:2]
    with TemporaryDirectory() as folder:
        path = official_file(case, folder)
        estimator = dp.load("moge-3-tiny", path, "cpu", num_tokens=count, output_size="input")
    camera = focal = None
    if case.options["fov_x"] is not None:
        fov = math.radians(case.options["fov_x"])
        camera = Pinhole.from_fov(height, width, fov)
        focal = focal_of_fov(fov, width / height)
    with torch.inference_mode():
        maps = estimator.network(image.permute(2, 0, 1)[None] / 255, count)
        geometry = moge_geometry(maps, focal=focal)
    prediction = estimator(image, camera)
    fx, fy = geometry.normalised_focals()
    found = {
        "points_affine": maps.points[0],
        "mask_prob": maps.mask[0],
        "metric_scale": maps.metric_scale,
        "depth": torch.where(prediction.valid, prediction.values, -1.0),
        "points": torch.where(geometry.mask[..., None], geometry.points, -1.0),
        "normal": geometry.normal,
        "intrinsics": torch.tensor([[fx, 0, 0.5], [0, fy, 0.5], [0, 0, 1]]),
    }
    yield from compare_known(case, found)
    clear = (case.arrays["mask_prob"] - 0.5).abs() > 1e-4
    yield case.compare("mask", geometry.mask, where=clear)
