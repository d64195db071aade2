"""Cases of DAP."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from golden.cases import Case, Comparison
from golden.fill import load_manifest
from golden.kinds import Kinds, has
from golden.stages import compare_known, head_stages, tap_stages
from published.clouds import normals_of, optical_to_z_up
from torch import Tensor, nn

import depth_perception as dp
from depth_perception.data.panoramas import nearest_map
from depth_perception.evaluation.metrics import depth_metrics, mean_of
from depth_perception.geometry import Equirectangular
from depth_perception.geometry.projections import cassini_to_equirectangular
from depth_perception.io.colormaps import colourise
from depth_perception.layers import resize_map
from depth_perception.layers.dinov3 import AxialRope, axial_rope, rope_periods
from depth_perception.systems import build_network, load_network
from depth_perception.systems.dap.network import Dap, DapMaps
from depth_perception.systems.image_input import network_input, network_size

KINDS = Kinds()
_PATCH = 16
_COLOURS = "Spectral"  # not reversed
# Short name of a data set: where its depth lies, what farther depth is set to, in metres, and
# whether its second mask is that of the valid pixels.
DATA_SETS = {
    "s2d": ("s2d_depth_png", 101.0, True),
    "m3d": ("m3d_depth", 101.0, True),
    "insta": ("insta_depth", 100.0, False),
    "deep360": ("deep360_cassini_depth", 100.0, False),
}
# Right, up and backward of each face of the authors' cube maps in terms of column, row and depth.
_FACES = {
    "right": lambda x, y, one: (one, -y, -x),
    "left": lambda x, y, one: (-one, -y, x),
    "top": lambda x, y, one: (x, one, y),
    "bottom": lambda x, y, one: (x, -one, -y),
    "front": lambda x, y, one: (x, -y, one),
    "back": lambda x, y, one: (-x, -y, -one),
}


def model_of(case: Case) -> str:
    """Our name of the network of a case."""
    return case.entry["variant"].replace("_", "-")


def official_state(case: Case) -> dict[str, Tensor]:
    """The parameters and constants of a case by official name, without second names."""
    state, network = case.state(), build_network(model_of(case))
    ours = network.state_dict()
    for name, official in network.official_names().items():
        if official.endswith(("rope_embed.periods", "bias_mask")):
            state[official] = ours[name]
        if official.endswith("bias_mask") and case.options.get("bias_mask") == "pattern":
            state[official] = torch.linspace(0, 2, len(ours[name]))
    return state


def official_file(case: Case, folder: str | Path) -> Path:
    """The parameters of a case in a file like those of the authors."""
    state: dict[str, object] = dict(official_state(case))
    aliases = load_manifest(case.file(f"aliases-{case.entry['variant']}.json"))
    state |= {second: state[first] for second, first in aliases.items()}
    if case.options.get("module_prefix"):
        state = {f"module.{name}": value for name, value in state.items()} | {"epoch": 3}
    path = Path(folder) / "model.pth"
    torch.save(state, path)
    return path


def network_of(case: Case) -> Dap:
    with TemporaryDirectory() as folder:
        return load_network(model_of(case), official_file(case, folder))


def shares(maps: DapMaps, network: Dap) -> dict[str, Tensor]:
    """The maps under the names of the original, whose depth is a share of the largest one."""
    return {"pred_depth": maps.range_m / network.max_depth, "pred_mask": maps.far}


@KINDS.add(
    "network",
    lambda case: case.entry["kind"] == "network",
    slow=lambda case: model_of(case).endswith("large"),
)
def network(case: Case) -> Iterator[Comparison]:
    network, x = network_of(case), case["x"]
    encoder, grid = network.encoder, network.encoder.grid_of(*x.shape[-2:])
    rope, first = axial_rope(grid, encoder.periods), encoder.blocks[0]
    with torch.no_grad():
        found = shares(network(x), network) | {"rope_sin": rope.sin, "rope_cos": rope.cos}
        tokens = found["tokens"] = encoder.embed(x)
        found["block0_qkv"] = first.attn.qkv(first.norm1(tokens))
        found["block0_out"] = first(tokens, rope)
        taps = encoder(x)
        adapted = [network.adapted(tap.patches, grid) for tap in taps]
        named = tap_stages(taps)
        found |= {name.replace("feat", "tap"): value for name, value in named.items()}
        for index, (tap, tokens) in enumerate(zip(taps, adapted, strict=True)):
            found[f"adapter_norm{index}"] = network.norm(tap.patches)
            found[f"grid{index}"] = tokens.mT.unflatten(2, grid)
        found |= head_stages(network.depth, adapted, grid, prefix="depth_")
        found |= head_stages(network.mask, adapted, grid, prefix="mask_")
    yield from compare_known(case, found)


@KINDS.add("run_image", lambda case: case.entry["kind"] == "run_image")
def run_image(case: Case) -> Iterator[Comparison]:
    plain = case["image"].permute(2, 0, 1)[None].float() / 255
    yield case.compare("x", plain)
    size = [side - side % _PATCH for side in plain.shape[-2:]]  # the original drops the rest
    image = case["image"][: size[0], : size[1]]
    with TemporaryDirectory() as folder:
        estimator = dp.load(
            model_of(case), official_file(case, folder), "cpu",
            height=size[0], normalise=False, output_size="network", seam="off",
        )  # fmt: skip
    found = estimator(image, Equirectangular(*size))
    with torch.no_grad():
        maps = shares(estimator.network(plain[..., : size[0], : size[1]]), estimator.network)
    yield from compare_known(case, maps)
    depth = torch.where(found.valid, found.depth / estimator.network.max_depth, 1.0)
    unsure = (maps["pred_mask"][0, 0] - 0.5).abs() < 1e-4
    yield case.compare("depth_npy", depth, where=~unsure)
    gray = levels(depth, case.options["vis"])
    yield case.compare("gray", gray)
    yield case.compare("color_bgr", colours(case["gray"])[..., ::-1].copy())


def levels(depth: Tensor, span: str) -> np.ndarray:
    """Gray values of the published images of shares of 100 m, up to ``100m`` or ``10m``."""
    values = depth.numpy()
    near = np.clip(values, 0, 0.1) * np.float32(10)
    return ((np.clip(values, 0, 1) if span == "100m" else near) * 255).astype(np.uint8)


def colours(gray: Tensor) -> np.ndarray:
    return colourise(gray.numpy(), _COLOURS)


@KINDS.add("infer_image", lambda case: case.entry["kind"] == "infer_image")
def infer_image(case: Case) -> Iterator[Comparison]:
    height = case.options["input_size"]
    target = (height, 2 * height)
    size = network_size(*case["image"].shape[:2], *target, multiple=_PATCH)
    x = network_input(case["image"], size)
    yield case.compare("x", x)
    network = network_of(case)
    with torch.no_grad():
        depth = network(x).range_m / network.max_depth
    yield case.compare("net_depth", depth)
    yield case.compare("depth", resize_map(depth, case.arrays["depth"].shape, circular=False))


@KINDS.add("rope", has("q_in"))
def rope(case: Case) -> Iterator[Comparison]:
    for array in case.arrays:
        kind, *numbers = array.split("_")
        if kind == "periods":
            yield case.compare(array, rope_periods(int(numbers[0])))
        if kind in ("sin", "cos"):
            grid = tuple(int(side) for side in numbers[1].split("x"))
            table = getattr(axial_rope(grid, rope_periods(int(numbers[0]))), kind)
            yield case.compare(array, table[:: 37 if grid[0] > 20 else 1])
        if kind == "q" and numbers[0] == "out":
            grid = tuple(int(side) for side in numbers[1].split("x"))
            table: AxialRope = axial_rope(grid, rope_periods(case["q_in"].shape[-1]))
            yield case.compare(array, table.rotate(case["q_in"]))


@KINDS.add("adapter", has("norm_weight"))
def adapter(case: Case) -> Iterator[Comparison]:
    with torch.device("meta"):
        network = build_network("dap-tiny")
    network.norm = nn.LayerNorm(len(case["norm_weight"]), eps=network.norm.eps)
    network.norm.load_state_dict({"weight": case["norm_weight"], "bias": case["norm_bias"]})
    for array in case.arrays:
        if array.startswith("grid_"):
            name = array.removeprefix("grid_")
            grid = tuple(int(side) for side in name.split("x"))
            with torch.no_grad():
                adapted = network.adapted(case[f"tokens_{name}"], grid)
            yield case.compare(array, adapted.mT.unflatten(2, grid))


def valid_depth(depth: Tensor, far: Tensor) -> Tensor:
    """The published depth, in which what is far is 1."""
    return torch.where(1 - far > 0.5, depth, 1.0)


@KINDS.add("post-processing", has("gray_100m"))
def post_processing(case: Case) -> Iterator[Comparison]:
    depth = valid_depth(case["pred_depth"], case["pred_mask"])[0, 0]
    yield case.compare("pred", depth)
    for span in ("100m", "10m"):
        yield case.compare(f"gray_{span}", levels(depth, span))
        yield case.compare(f"color_rgb_{span}", colours(case[f"gray_{span}"]))


@KINDS.add("metrics", lambda case: case.entry["kind"] == "metrics")
def metrics(case: Case) -> Iterator[Comparison]:
    target = (case["gt_metres"] / 100).clamp(0.001, 1)
    yield case.compare("gt_depth", target)
    mask, depth = case["val_mask"], valid_depth(case["pred_depth"], case["pred_mask"])
    yield case.compare("pred_final", depth)
    rows = []
    for t, d, m in zip(target, depth, mask, strict=True):
        row = dict(depth_metrics(t[m], d[m]))
        rows.append(row | {"rms": row["mae"], "log_rms": row["log10"]})  # as published
    yield case.compare("per_image", [[*row.values()] for row in rows])
    yield case.compare("mean", [*mean_of(rows).values()])


@KINDS.add("cloud", has("normal_mask"))
def cloud(case: Case) -> Iterator[Comparison]:
    depth = case["depth"]
    points = Equirectangular(*depth.shape).unproject(depth, dp.DepthKind.RANGE)
    points = optical_to_z_up(points)
    yield case.compare("xyz", points)
    normal, mask = normals_of(points, depth > 0)
    x, y, z = normal.unbind(-1)
    yield case.compare("normal_mask", mask)
    yield case.compare("normal", torch.stack((-x, z, -y), -1), where=mask)
    erp = case["erp_rgb"].numpy() if "erp_rgb" in case else None
    for name, face in _FACES.items():
        if f"cube_x_{name}" not in case:
            continue
        width = case.arrays[f"cube_x_{name}"].shape[-1]
        steps = (2 * torch.arange(width) + 1) / width - 1
        rows, columns = torch.meshgrid(steps, steps, indexing="ij")
        right, up, ahead = face(columns, rows, torch.ones_like(rows))
        x = torch.atan2(ahead, right) / (2 * math.pi) + 0.5
        y = torch.atan2(torch.hypot(right, ahead), up) / math.pi
        yield case.compare(f"cube_x_{name}", x)
        yield case.compare(f"cube_y_{name}", y)
        places = [
            values.numpy() * np.float32(count - 1)
            for values, count in ((x, erp.shape[1]), (y, erp.shape[0]))
        ]
        colour = cv2.remap(erp, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        yield case.compare(f"cube_rgb_{name}", colour)


@KINDS.add("data sets", lambda case: case.entry["kind"] == "datasets")
def data_sets(case: Case) -> Iterator[Comparison]:
    height = case.options["height"]
    rgb = network_input(case["rgb"], (height, 2 * height), levels=True)[0]
    cassini = cassini_to_equirectangular(case["cassini_rgb"].permute(2, 0, 1)).permute(1, 2, 0)
    turned = network_input(cassini.contiguous(), (height, 2 * height), levels=True)[0]
    for name, (array, largest, is_valid) in DATA_SETS.items():
        range_m = case[array].float()
        if name == "s2d":
            range_m = range_m / 512
        if name == "deep360":
            range_m = cassini_to_equirectangular(range_m)
        range_m = nearest_map(range_m.contiguous(), height)
        valid = (range_m > 0) & (range_m.clamp_max(largest) <= 100)
        yield case.compare(f"{name}_rgb", turned if name == "deep360" else rgb)
        limited = torch.where(range_m > largest, largest, range_m)
        yield case.compare(f"{name}_gt_depth", (limited / 100).clamp(0.001, 1)[None])
        yield case.compare(f"{name}_val_mask", valid[None])
        second = valid if is_valid else range_m <= 100
        yield case.compare(f"{name}_mask_100", second[None])
