"""Cases of MoGe-2, which lie among those of Pixel-Perfect Depth."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from golden.cases import Case, Comparison
from golden.kinds import has
from golden.kinds.ppd import KINDS, parameters
from published.moge_edges import spread_mask
from torch import Tensor

from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.systems.moge.config import MogeConfig
from depth_perception.systems.moge.geometry import focal_of_fov, moge_geometry, recover_focal_shift
from depth_perception.systems.moge.network import (
    Moge,
    MogeMaps,
    remap_points,
    token_grid,
    view_plane_uv,
)
from depth_perception.systems.ppd.semantics import MogeSemantics

GRID_RULES = {"bundled": "truncate", "current": "round"}


def moge_of(case: Case) -> Moge:
    """The network of a case."""
    network = Moge(MogeConfig.from_mapping(case.entry["constructor"])).eval()
    network.load_state_dict(parameters(case))
    return network.requires_grad_(False)


@KINDS.add("MoGe-2", has("out_grid_bundled"))
def moge(case: Case) -> Iterator[Comparison]:
    network, images, count = moge_of(case), case["in_image"], case.options["num_tokens"]
    aspect = images.shape[-1] / images.shape[-2]
    for name, rule in GRID_RULES.items():
        grid = token_grid(count, aspect, rule)
        yield case.compare(f"out_grid_{name}", list(grid))
        prefix = "out_" if name == "bundled" else f"out_{name}_"
        if f"{prefix}points" in case:
            maps = network(images, count, grid_rule=rule)
            for field in ("points", "normal", "mask", "metric_scale"):
                yield case.compare(prefix + field, getattr(maps, field))
    if "out_encoder" not in case:
        return
    grid = tuple(int(n) for n in case["out_grid_bundled"])
    yield case.compare("out_network_input", network.encoder.network_input(images, grid))
    features, class_token = network.encoder(images, grid)
    yield case.compare("out_encoder", features)
    yield case.compare("out_class_token", class_token)
    levels: list[Tensor] = []
    network.neck.register_forward_hook(lambda *call: levels.extend(call[2]))
    network.decode(features, class_token, images.shape[-2:])
    for index, level in enumerate(levels):
        yield case.compare(f"out_neck_{index}", level)


@KINDS.add("inference of MoGe-2", has("out_current_depth", "out_depth_fov"))
def moge_inference(case: Case) -> Iterator[Comparison]:
    network, image = moge_of(case), case.batch() / 255
    bundled, current = (
        network(image, case.options["num_tokens"], grid_rule=rule) for rule in GRID_RULES.values()
    )
    yield from _geometry(case, bundled)
    found = moge_geometry(current)
    yield case.compare("out_current_points", _finite(found.points))
    yield case.compare("out_current_depth", _finite(found.depth))
    yield case.compare("out_current_mask", found.mask)
    yield case.compare("out_current_normal", found.normal)
    if "out_current_intrinsics" in case:
        yield case.compare("out_current_intrinsics", _intrinsics(found))
    yield from _raw(case, current)


def _geometry(case: Case, maps: MogeMaps) -> Iterator[Comparison]:
    """Depth, mask and intrinsics, with and without a known field of view."""
    height, width = maps.points.shape[-3:-1]
    fov = math.radians(case.options["fov_x_second"])
    for suffix, focal in (("", None), ("_fov", focal_of_fov(fov, width / height))):
        found = moge_geometry(maps, focal=focal)
        yield case.compare(f"out_depth{suffix}", _finite(found.depth))
        yield case.compare(f"out_intrinsics{suffix}", _intrinsics(found))
        if not suffix:
            yield case.compare("out_mask", found.mask)


def _raw(case: Case, maps: MogeMaps) -> Iterator[Comparison]:
    raw = moge_geometry(maps, force_projection=False, apply_mask=False)
    yield case.compare("out_raw_points", raw.points)
    yield case.compare("out_raw_depth", raw.depth)


def _finite(values: Tensor) -> Tensor:
    return torch.where(torch.isfinite(values), values, -1.0)


def _intrinsics(found) -> Tensor:
    fx, fy = found.normalised_focals()
    return torch.tensor([[fx, 0, 0.5], [0, fy, 0.5], [0, 0, 1]])


@KINDS.add("post-processing", has("in_points", "in_metric_scale"))
def post_processing(case: Case) -> Iterator[Comparison]:
    maps = MogeMaps(*(case[f"in_{n}"][None] for n in ("points", "normal", "mask")), None)
    maps = maps._replace(metric_scale=case["in_metric_scale"])
    yield from _geometry(case, maps)
    found = moge_geometry(maps)
    yield case.compare("out_points", _finite(found.points))
    yield case.compare("out_normal", found.normal)
    yield from _raw(case, maps)


@KINDS.add("semantics of MoGe-2", has("in_image", "out_semantics"))
def moge_semantics(case: Case) -> Iterator[Comparison]:
    yield case.compare("out_semantics", MogeSemantics(moge_of(case).encoder)(case["in_image"]))


@KINDS.add("view plane", lambda case: all("_ar" in array for array in case.arrays))
def view_plane(case: Case) -> Iterator[Comparison]:
    for array in case.arrays:
        width, height, aspect = array.removeprefix("out_").split("_")
        aspect = None if aspect == "arNone" else float(aspect.removeprefix("ar"))
        yield case.compare(array, view_plane_uv(int(height[1:]), int(width[1:]), aspect))


@KINDS.add("remaps", has("in_raw", "out_sinh_exp"))
def remaps(case: Case) -> Iterator[Comparison]:
    for array in case.arrays:
        if array.startswith("out_"):
            yield case.compare(array, remap_points(case["in_raw"], array.removeprefix("out_")))


@KINDS.add("focal length and shift", has("in_points0", "out_converged0"))
def focal_and_shift(case: Case) -> Iterator[Comparison]:
    for array in case.arrays:
        if not array.startswith("in_points"):
            continue
        index, points = array.removeprefix("in_points"), case[array]
        mask = case[f"in_mask{index}"] > 0 if f"in_mask{index}" in case else None
        found = torch.stack(recover_focal_shift(points, mask))
        yield case.compare(f"out_converged{index}", found)
        known = f"out_shift_known_focal{index}"
        meaning = case.entry["outputs"][known]["meaning"]
        focal = float(meaning.split("given focal ")[1].split(":")[0])
        _, shift = recover_focal_shift(points, mask, focal)
        yield case.compare(known, shift, expected=case.arrays[known][1], part="fully converged")


@KINDS.add("points of depth", has("in_depth", "in_intrinsics", "out_points"))
def points_of_depth(case: Case) -> Iterator[Comparison]:
    height, width = case["in_depth"].shape[1:]
    points = []
    for k, z in zip(case["in_intrinsics"], case["in_depth"], strict=True):
        fx, fy, cx, cy = (float(v) for v in (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
        camera = Pinhole(height, width, fx * width, fy * height, cx * width, cy * height)
        points.append(camera.unproject(z, DepthKind.Z))
    yield case.compare("out_points", torch.stack(points))


@KINDS.add("edges of depth", has("out_inf_rtol_0p04"))
def edges_of_depth(case: Case) -> Iterator[Comparison]:
    depth, mask = case["in_depth"], case["in_mask"] > 0
    open_sky = torch.where(mask, depth, math.inf)
    for array in case.arrays:
        if "rtol_" not in array:
            continue
        threshold = float(array.rsplit("_", 1)[1].replace("p", "."))
        if "_inf_" in array:
            yield case.compare(array, mask & ~spread_mask(open_sky, threshold))
        else:
            valid = mask if "_masked_" in array else None
            yield case.compare(array, spread_mask(depth, threshold, valid))
