"""MoGe-2 against the original."""

from __future__ import annotations

import json
import logging
import math

import pytest
import torch
from golden.ppd_reference import FOLDER, Case, case, manifest
from published.moge_edges import spread_mask
from torch import Tensor

from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.layers import VitEncoder
from depth_perception.systems import build_network, models
from depth_perception.systems.moge.config import MogeConfig, MogeConfigError, released_config
from depth_perception.systems.moge.geometry import focal_of_fov, moge_geometry, recover_focal_shift
from depth_perception.systems.moge.network import (
    Moge,
    MogeMaps,
    remap_points,
    token_grid,
    view_plane_uv,
)

RELEASED = json.loads((FOLDER / "moge-model-configs.json").read_text())


def _network(reference: Case) -> Moge:
    network = Moge(MogeConfig.from_mapping(reference.entry["constructor"])).eval()
    network.load_state_dict(reference.state())
    return network.requires_grad_(False)


@pytest.mark.parametrize("name", ["moge-tiny-forward", "moge-tiny-forward-tall"])
def test_network_matches_the_original(name: str) -> None:
    reference = case(name)
    network = _network(reference)
    images, count = reference["in_image"], reference.options["num_tokens"]
    aspect = images.shape[-1] / images.shape[-2]
    for prefix, rule in (("out_", "truncate"), ("out_current_", "round")):
        grid = token_grid(count, aspect, rule)
        expected = "bundled" if rule == "truncate" else "current"
        assert list(grid) == reference[f"out_grid_{expected}"].tolist()
        if f"{prefix}points" in reference.arrays:
            maps = network(images, count, grid_rule=rule)
            for field in ("points", "normal", "mask", "metric_scale"):
                reference.assert_close(getattr(maps, field), prefix + field)


def test_encoder_and_neck_match_the_original() -> None:
    reference = case("moge-tiny-forward")
    network = _network(reference)
    grid = tuple(int(n) for n in reference["out_grid_bundled"])
    images = reference["in_image"]
    reference.assert_close(network.encoder.network_input(images, grid), "out_network_input")
    features, class_token = network.encoder(images, grid)
    reference.assert_close(features, "out_encoder")
    reference.assert_close(class_token, "out_class_token")
    levels: list[Tensor] = []
    network.neck.register_forward_hook(lambda *call: levels.extend(call[2]))
    network.decode(features, class_token, images.shape[-2:])
    for index, level in enumerate(levels):
        reference.assert_close(level, f"out_neck_{index}")


@pytest.mark.parametrize("name", ["moge-tiny-infer", "moge-tiny-infer-wide"])
def test_inference_matches_the_original(name: str) -> None:
    reference = case(name)
    network = _network(reference)
    image = torch.from_numpy(reference.image).permute(2, 0, 1)[None] / 255
    height, width = image.shape[-2:]
    fov = focal_of_fov(math.radians(reference.options["fov_x_second"]), width / height)
    bundled, current = (
        network(image, reference.options["num_tokens"], grid_rule=rule)
        for rule in ("truncate", "round")
    )
    for suffix, focal in (("", None), ("_fov", fov)):
        found = moge_geometry(bundled, focal=focal)
        reference.assert_close(_finite(found.depth), f"out_depth{suffix}")
        reference.assert_close(_intrinsics(found), f"out_intrinsics{suffix}")
    found = moge_geometry(bundled)
    assert torch.equal(found.mask.float(), reference["out_mask"])
    found = moge_geometry(current)
    reference.assert_close(_finite(found.points), "out_current_points")
    reference.assert_close(_finite(found.depth), "out_current_depth")
    reference.assert_close(found.mask, "out_current_mask")
    reference.assert_close(found.normal, "out_current_normal")
    raw = moge_geometry(current, force_projection=False, apply_mask=False)
    reference.assert_close(raw.points, "out_raw_points")
    reference.assert_close(raw.depth, "out_raw_depth")


def _finite(values: Tensor) -> Tensor:
    return torch.where(torch.isfinite(values), values, -1.0)


def _intrinsics(found) -> Tensor:
    fx, fy = found.normalised_focals()
    return torch.tensor([[fx, 0, 0.5], [0, fy, 0.5], [0, 0, 1]])


def test_view_plane_matches_the_original() -> None:
    reference = case("moge-view-plane-uv")
    for name in reference.arrays:
        width, height, aspect = name.removeprefix("out_").split("_")
        aspect = None if aspect == "arNone" else float(aspect.removeprefix("ar"))
        reference.assert_close(view_plane_uv(int(height[1:]), int(width[1:]), aspect), name)


def test_remaps_match_the_original() -> None:
    reference = case("moge-remap")
    for remap in ("linear", "sinh", "exp", "sinh_exp"):
        reference.assert_close(remap_points(reference["in_raw"], remap), f"out_{remap}")


@pytest.mark.parametrize("index", range(4))
def test_focal_and_shift_match_the_converged_original(index: int) -> None:
    reference = case("moge-focal-shift")
    points = reference[f"in_points{index}"]
    mask = reference.arrays.get(f"in_mask{index}")
    mask = None if mask is None else mask > 0
    focal, shift = recover_focal_shift(points, mask)
    reference.assert_close(torch.stack((focal, shift)), f"out_converged{index}", 0.1)
    true_focal = (1.3, 0.8, 2.5, 1.0)[index]
    known = 1.05 * true_focal
    same, shift = recover_focal_shift(points, mask, known)
    assert float(same) == pytest.approx(known)
    torch.testing.assert_close(
        shift, reference[f"out_shift_known_focal{index}"][1], atol=5e-4, rtol=5e-4
    )


@pytest.mark.parametrize("nearest", [0.0, 1e-4, 0.3])
def test_points_that_touch_the_camera_plane_do_not_mislead(nearest: float) -> None:
    """The original's solver ends at a focal length of 0.008 here instead of 2.5."""
    torch.manual_seed(0)
    true_shift = 1.0
    depth = true_shift + nearest + 3 * torch.rand(60, 80)
    uv = view_plane_uv(60, 80)
    points = torch.cat((uv / 2.5 * depth[..., None], (depth - true_shift)[..., None]), -1)
    focal, shift = recover_focal_shift(points)
    assert float(focal) == pytest.approx(2.5, rel=1e-3)
    assert float(shift) == pytest.approx(true_shift, rel=1e-3)


def test_geometry_reads_nothing_back_from_the_device() -> None:
    with torch.device("meta"):  # has no numbers: reading one raises
        points, mask, scale = torch.empty(1, 70, 96, 3), torch.empty(1, 70, 96), torch.empty(1)
    for focal in (None, 1.2):
        found = moge_geometry(MogeMaps(points, None, mask, scale), focal=focal)
        assert tuple(found.points.shape) == (70, 96, 3)


def test_without_samples_focal_and_shift_are_neutral() -> None:
    points = torch.rand(20, 30, 3)
    focal, shift = recover_focal_shift(points, torch.zeros(20, 30, dtype=torch.bool))
    assert (float(focal), float(shift)) == (1.0, 0.0)
    assert torch.isfinite(torch.stack(recover_focal_shift(points * 0))).all()


def test_points_are_where_the_original_puts_them() -> None:
    reference = case("moge-depth-to-points")
    depth, intrinsics = reference["in_depth"], reference["in_intrinsics"]
    height, width = depth.shape[1:]
    points = []
    for k, z in zip(intrinsics, depth, strict=True):
        fx, fy, cx, cy = (float(v) for v in (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
        camera = Pinhole(height, width, fx * width, fy * height, cx * width, cy * height)
        points.append(camera.unproject(z, DepthKind.Z))
    reference.assert_close(torch.stack(points), "out_points")


def test_post_processing_matches_the_original() -> None:
    reference = case("moge-postprocess")
    maps = MogeMaps(*(reference[f"in_{n}"][None] for n in ("points", "normal", "mask")), None)
    maps = maps._replace(metric_scale=reference["in_metric_scale"])
    found = moge_geometry(maps)
    reference.assert_close(_finite(found.depth), "out_depth")
    reference.assert_close(_finite(found.points), "out_points")
    reference.assert_close(found.normal, "out_normal")
    reference.assert_close(_intrinsics(found), "out_intrinsics")
    assert torch.equal(found.mask.float(), reference["out_mask"])
    raw = moge_geometry(maps, force_projection=False, apply_mask=False)
    reference.assert_close(raw.points, "out_raw_points")
    reference.assert_close(raw.depth, "out_raw_depth")
    fov = math.radians(reference.options["fov_x_second"])
    known = moge_geometry(maps, focal=focal_of_fov(fov, 96 / 72))
    reference.assert_close(_finite(known.depth), "out_depth_fov")
    reference.assert_close(_intrinsics(known), "out_intrinsics_fov")


def test_edges_match_the_original() -> None:
    reference = case("depth-edge")
    depth, mask = reference["in_depth"], reference["in_mask"] > 0
    for name, threshold, valid in (
        ("out_rtol_0p04", 0.04, None),
        ("out_rtol_0p01", 0.01, None),
        ("out_masked_rtol_0p04", 0.04, mask),
    ):
        assert torch.equal(spread_mask(depth, threshold, valid).float(), reference[name])
    open_sky = torch.where(mask, depth, math.inf)
    kept = mask & ~spread_mask(open_sky, 0.04)
    assert torch.equal(kept.float(), reference["out_inf_rtol_0p04"])


def test_position_embedding_matches_the_original() -> None:
    reference = case("dinov2-pos-embed")
    encoder = VitEncoder(8, 1, 1, (0,))
    encoder.pos_embed.data = reference["in_pos_embed"]
    for name in reference.arrays:
        if name.startswith("out_grid_"):
            rows, columns = (int(n) for n in name.removeprefix("out_grid_").split("x"))
            with torch.no_grad():
                embedding = encoder.position_embedding((rows, columns))
            reference.assert_close(embedding[0, :, :4], name)


@pytest.mark.parametrize("name", [*RELEASED, "moge-tiny"])
def test_every_parameter_has_its_official_name_and_shape(name: str) -> None:
    size, _, normal = name.removeprefix("moge-").removeprefix("2-").partition("-")
    config = released_config(size, normal=bool(normal) or size == "tiny")
    entry = RELEASED.get(name) or case("moge-tiny-forward").entry["constructor"]
    assert MogeConfig.from_mapping(entry) == config
    with torch.device("meta"):
        network = Moge(config)
    names = network.official_names()
    ours = {names[key]: list(value.shape) for key, value in network.state_dict().items()}
    assert ours == {key: shape for key, (shape, _) in manifest(name).items()}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("encoder", "backbone"), "dinov2_vitx99", "encoder.backbone is 'dinov2_vitx99'"),
        (("encoder", "intermediate_layers"), [5, 40], "intermediate_layers"),
        (("neck", "res_block_in_norm"), "batch_norm", "neck.res_block_in_norm is 'batch_norm'"),
        (("mask_head", "resamplers"), "sharpen", "mask_head.resamplers has 'sharpen'"),
        (("neck", "dim_in"), [1, 2], "neck.dim_in has 2 entries for 5 levels"),
        (("remap_output",), "log", "remap_output is 'log'"),
        (("points_head",), None, "no points_head"),
        (("neck",), 3, "neck must be a table"),
    ],
)
def test_unknown_configurations_are_refused(path: tuple, value: object, message: str) -> None:
    entry = json.loads(json.dumps(RELEASED["moge-2-vits-normal"]))
    table = entry
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = value
    with pytest.raises(MogeConfigError, match=message.replace("[", r"\[")):
        MogeConfig.from_mapping(entry)


def test_a_missing_entry_is_named() -> None:
    entry = {key: v for key, v in RELEASED["moge-2-vits-normal"].items() if key != "neck"}
    with pytest.raises(MogeConfigError, match="lacks neck"):
        MogeConfig.from_mapping(entry)


def test_unknown_keys_are_ignored_aloud(caplog: pytest.LogCaptureFixture) -> None:
    entry = {**RELEASED["moge-2-vits-normal"], "sharpener": {"depth": 3}}
    with caplog.at_level(logging.WARNING):
        assert MogeConfig.from_mapping(entry) == released_config("vits")
    assert "sharpener" in caplog.text


@pytest.mark.parametrize(
    "model", [m for m in models() if m.name.startswith(("moge", "ppd"))], ids=lambda m: m.name
)
def test_cards_count_the_parameters(model) -> None:
    with torch.device("meta"):
        network = build_network(model.name)
    assert sum(p.numel() for p in network.parameters()) == model.parameters
    assert model.finds_camera
