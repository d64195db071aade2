"""Cases of DA360."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F
from golden.cases import Case, Comparison
from golden.fill import load_manifest
from golden.kinds import Kinds, has
from golden.stages import compare_known, head_stages, tap_stages
from published.kitti_colours import kitti_colours

import depth_perception as dp
from depth_perception.data.panoramas import nearest_map, resize_cubic
from depth_perception.evaluation.alignment import scale_and_shift
from depth_perception.evaluation.metrics import depth_metrics, mean_of
from depth_perception.geometry import Equirectangular
from depth_perception.layers import SphereConv2d
from depth_perception.layers.padding import pad_sphere
from depth_perception.systems import load_network
from depth_perception.systems.da360.network import ShiftMlp
from depth_perception.systems.image_input import network_input

KINDS = Kinds()
_LEAST_DISPARITY = 1e-4
_FAR = 200.0  # times the nearest range: not part of the published clouds
_EVERY = 7  # of the points in the cases
# Samples per metre, largest range that is read, and the least and largest that are scored.
DATA_SETS = {
    "m3d": (4000, 11.0, 0.01, 10.0),
    "s2d": (512, 11.0, 0.01, 10.0),
    "metro": (512, 128.0, 0.2, 128.0),
}


def model_of(case: Case) -> str:
    """Our name of the network of a case."""
    return case.entry["variant"].replace("_", "-")


def is_large(case: Case) -> bool:
    """Whether the network of a case has many parameters."""
    return model_of(case).endswith(("base", "large"))


def official_file(case: Case, folder: str | Path) -> Path:
    """The parameters of a case in a file like those of the authors."""
    state = case.state()
    aliases = load_manifest(case.file(f"aliases-{case.entry['variant']}.json"))
    state |= {second: state[first] for second, first in aliases.items()}
    encoder = {"small": "vits", "base": "vitb", "large": "vitl", "tiny": "vits"}
    beside = {"dinov2_encoder": encoder[model_of(case).rpartition("-")[2]], "net": "DA360"}
    path = Path(folder) / "DA360.pth"
    torch.save({**state, **beside, "height": 518, "width": 1036}, path)
    return path


@KINDS.add("network", lambda case: case.entry["kind"] == "network", slow=is_large)
def network(case: Case) -> Iterator[Comparison]:
    with TemporaryDirectory() as folder:
        network = load_network(model_of(case), official_file(case, folder))
    x, mlp = case["x"], network.shift_mlp
    with torch.no_grad():
        found = {"pred_disp": network(x), "tokens": network.encoder.embed(x)}
        taps = network.encoder(x)
        patches, grid = [tap.patches for tap in taps], network.encoder.grid_of(*x.shape[-2:])
        found |= tap_stages(taps) | head_stages(network.head, patches, grid)
        found["ssi_disp"] = F.relu(found["logit"])
        hidden = taps[-1].class_token
        for index, (layer, norm) in enumerate(zip(mlp.layers, mlp.norms, strict=True)):
            found[f"shift_norm{index}"] = norm(layer(hidden))
            hidden = found[f"shift_hidden{index}"] = F.relu(found[f"shift_norm{index}"])
        found["shift_logit"] = mlp.output_layer(hidden)
        found["shift"] = mlp(taps[-1].class_token) - _LEAST_DISPARITY
        level = found["path_4"] + network.head.fuse[2].skip(found["layer3_rn"])
        found["padded_refinenet3_rcu2_conv1"] = pad_sphere(F.relu(level), 1, 1)
    yield from compare_known(case, found)


@KINDS.add("run_image", lambda case: case.entry["kind"] == "run_image")
def run_image(case: Case) -> Iterator[Comparison]:
    image, height = case["image"].numpy(), case.options["height"]
    size = tuple(case.arrays["x"].shape[-2:])
    yield case.compare("x", network_input(case["image"], size, levels=True))
    resized = resize_cubic(case["image"].permute(2, 0, 1), height).permute(1, 2, 0)
    yield case.compare("resized_rgb", resized)
    with TemporaryDirectory() as folder:
        estimator = dp.load(
            model_of(case), official_file(case, folder), "cpu",
            height=height, output_size="network", seam="off",
        )  # fmt: skip
    found = estimator(image, Equirectangular(*image.shape[:2]))
    yield case.compare("pred_disp", found.values[None, None])
    ranges = found.depth / found.depth.min()
    yield case.compare("depth_exr", ranges)
    yield case.compare("color_bgr", kitti_colours(found.values.numpy())[..., ::-1].copy())
    seen = ranges < _FAR
    points = found.camera.unproject(ranges, found.kind)[seen]
    yield case.compare("cloud_count", len(points))
    yield case.compare("cloud_xyz", points[::_EVERY])
    yield case.compare("cloud_rgb", (resized.float() / 255)[seen][::_EVERY])


@KINDS.add("ERP padding", has("padded0", "weight0"))
def erp_padding(case: Case) -> Iterator[Comparison]:
    for index, options in case.options.items():
        x, weight = case[f"x{index}"], case[f"weight{index}"]
        kernel, padding, stride = (options[name] for name in ("kernel", "padding", "stride"))
        conv = SphereConv2d(*weight.shape[1::-1], kernel, stride, padding)
        conv.load_state_dict({"weight": weight, "bias": case[f"bias{index}"]})
        yield case.compare(f"padded{index}", pad_sphere(x, *conv.padding))
        with torch.no_grad():
            yield case.compare(f"y{index}", conv(x))


@KINDS.add("shift", has("cls_small", "shift_low_small"))
def shift(case: Case) -> Iterator[Comparison]:
    for size in ("small", "tiny"):
        manifest = case.manifest(f"da360_{size}")
        names = {name: entry for name, entry in manifest.items() if name.startswith("shift_mlp.")}
        state = {name.partition(".")[2]: value for name, value in case.state(names).items()}
        mlp = ShiftMlp(case[f"cls_{size}"].shape[-1]).eval()
        mlp.load_state_dict(state)
        with torch.no_grad():
            yield case.compare(f"shift_{size}", mlp(case[f"cls_{size}"]))
            mlp.output_layer.weight.zero_()
            mlp.output_layer.bias.fill_(-9)
            yield case.compare(f"shift_low_{size}", mlp(case[f"cls_{size}"][:1]))


@KINDS.add("cloud", has("xyz_masked"))
def cloud(case: Case) -> Iterator[Comparison]:
    depth, colours, mask = case["depth"], case["rgb"], case["mask"]
    points = Equirectangular(*depth.shape).unproject(depth, dp.DepthKind.RANGE)
    yield case.compare("xyz", points.reshape(-1, 3))
    yield case.compare("xyz_masked", points[mask])
    yield case.compare("colors", colours.reshape(-1, 3))
    yield case.compare("colors_masked", colours[mask])


@KINDS.add("false colours", has("bgr_max2"))
def false_colours(case: Case) -> Iterator[Comparison]:
    for array, largest in (("bgr", None), ("bgr_max2", 2.0)):
        colours = kitti_colours(case["disp"].numpy(), largest)
        yield case.compare(array, colours[..., ::-1].copy())


@KINDS.add("metrics", lambda case: case.entry["kind"] == "metrics")
def metrics(case: Case) -> Iterator[Comparison]:
    """The authors' three alignments, all in disparity, and their limits of range."""
    target, mask, wanted, disparity = (
        case[name] for name in ("gt_depth", "mask", "gt_disp", "pred_disp")
    )
    largest = case.options["max_depth"]
    known = [values.where(mask, 0).sum((1, 2, 3)) for values in (wanted, disparity)]
    ones, zeros = torch.ones(len(target)), torch.zeros(len(target))
    lines = ((ones, zeros), (known[0] / known[1], zeros), scale_and_shift(wanted, disparity, mask))
    for number, (scale, offset) in enumerate(lines):
        yield case.compare(f"scale_shift_{number}", torch.stack((scale, offset), -1))
        aligned = scale.view(-1, 1, 1, 1) * disparity + offset.view(-1, 1, 1, 1)
        depth = 1 / aligned.clamp_min(_LEAST_DISPARITY)
        yield case.compare(f"depth_{number}", depth)
        rows = [
            depth_metrics(t[m].clamp_max(largest), d[m].clamp(0.1, largest))
            for t, m, d in zip(target, mask, depth, strict=True)
        ]
        yield case.compare(f"per_image_{number}", [[*row.values()] for row in rows])
        yield case.compare(f"mean_{number}", [*mean_of(rows).values()])


@KINDS.add("data sets", lambda case: case.entry["kind"] == "datasets")
def data_sets(case: Case) -> Iterator[Comparison]:
    height = case.options["height"]
    rgb = network_input(case["rgb"], (height, 2 * height), levels=True)[0]
    plain = resize_cubic(case["rgb"].permute(2, 0, 1), height).float() / 255
    yield case.compare("rgb_out", plain)
    for name, (per_metre, largest, least_scored, most_scored) in DATA_SETS.items():
        samples = case[f"{name}_depth_png"].numpy().astype(np.float32)
        range_m = nearest_map(torch.from_numpy(samples / per_metre), height).clamp_max(largest)
        valid = (range_m > least_scored) & (range_m <= most_scored)
        yield case.compare(f"{name}_normalized_rgb", rgb)
        yield case.compare(f"{name}_gt_depth", range_m[None])
        yield case.compare(f"{name}_val_mask", valid[None])
        yield case.compare(f"{name}_gt_disp", torch.where(valid, 1 / range_m, -1)[None])
