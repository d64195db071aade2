"""Cases of DA2."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from golden.cases import Case, Comparison
from golden.kinds import Kinds, has
from golden.stages import compare_known
from matplotlib import colormaps
from published.clouds import normals_of, optical_to_z_up
from safetensors.torch import save_file
from torch import Tensor

import depth_perception as dp
from depth_perception.evaluation.alignment import scale_and_shift
from depth_perception.evaluation.metrics import photo_metrics
from depth_perception.geometry import Equirectangular
from depth_perception.systems import load_network
from depth_perception.systems.da2.network import Da2
from depth_perception.systems.da2.sphere import View, directions, sphere_embedding
from depth_perception.systems.image_input import antialiased, normalised

KINDS = Kinds()
_PATCH = 14
_COLOURS = "Spectral"
_EVERY = 5  # of the points in the cases
_LEAST_M, _MOST_M = 1e-3, 5.0


def model_of(case: Case) -> str:
    """Our name of the network of a case."""
    return case.entry["variant"].replace("_", "-")


def official_file(case: Case, folder: str | Path) -> Path:
    """The parameters of a case in a file like that of the authors."""
    path = Path(folder) / "model.safetensors"
    save_file(case.state(), path)
    return path


def network_of(case: Case) -> Da2:
    with TemporaryDirectory() as folder:
        return load_network(model_of(case), official_file(case, folder))


def as_released(height: int, width: int, options: dict) -> tuple[tuple[int, int], View]:
    """Size of the network input and the view that the released code gives to images of a size.

    Its sphere grows with the images, but its network does not.
    """
    pixels = height * width
    wanted = min(max(pixels, options["min_pixels"]), options["max_pixels"])
    factor = math.sqrt(wanted / pixels)
    size = tuple(_PATCH * math.ceil(int(side * factor) / _PATCH) for side in (height, width))
    return size, view_of(
        size, options["sphere_width"] * factor, options["sphere_height"] * factor, options
    )


def view_of(size: tuple[int, ...], width: float, height: float, options: dict) -> View:
    """The view of a network input on a sphere of a size in pixels."""
    left, top = -options["hfov"] / 2, -options["vfov"] / 2
    right = left + size[1] / width * options["hfov"]
    return View(left, right, top, top + size[0] / height * options["vfov"])


def run_as_released(case: Case, network: Da2, x: Tensor) -> dict[str, Tensor]:
    """All values between an image (B, 3, H, W) in [0, 1] and its range that cases hold."""
    size, view = as_released(*x.shape[-2:], case.options)
    found: dict[str, Tensor] = {}
    hooks = []

    def keep(module: torch.nn.Module, name: str) -> None:
        hooks.append(
            module.register_forward_hook(lambda _, __, output: found.update({name: output}))
        )

    encoder, decoder = network.encoder, network.decoder
    for index, tap in enumerate(encoder.taps):
        keep(encoder.blocks[tap], f"block_tap{index}")
        keep(network.aligners[index], f"aligned{index}")
        keep(decoder.condition[index], f"conditioned{index}")
    for index in range(3):
        keep(decoder.process_features[index], f"process{index}")
        keep(decoder.up_sampler[index], f"up{index}")
    keep(decoder.up_sampler[0].convs[0], "up0_conv0")
    keep(decoder.to_latents, "latents_init")
    keep(decoder.head, "pred_head")
    keep(decoder.to_depth_lr, "depth_lr")
    image = F.interpolate(x, size, mode="bilinear", align_corners=False)
    image = found["net_input"] = normalised(image)
    grid = encoder.grid_of(*size)
    with torch.no_grad():
        found["log_distance"] = network.log_range(image, view=view)
        found["tokens"] = encoder.embed(image)
        ranges = network(image, view=view)
        for index, tap in enumerate(encoder(image)):
            found[f"feat{index}"] = tap.patches.unflatten(1, grid)
    for index in range(4):
        found[f"aligned{index}"] = found[f"aligned{index}"].unflatten(1, grid)
    dim = network.config.hidden
    sphere = sphere_embedding(grid, _PATCH, dim, view, x.device)
    found["sphere_embedding"] = sphere.expand(len(x), -1, -1)
    ranges = found["distance_net"] = ranges / ranges.quantile(0.98)  # of the whole batch
    resized = F.interpolate(ranges, tuple(x.shape[-2:]), mode="bilinear", align_corners=False)
    found["distance"] = resized[:, 0]
    for hook in hooks:
        hook.remove()
    return found


@KINDS.add(
    "network",
    lambda case: case.entry["kind"] == "network",
    slow=lambda case: model_of(case).endswith("large") or case.options["min_pixels"] > 1e5,
)
def network(case: Case) -> Iterator[Comparison]:
    yield from compare_known(case, run_as_released(case, network_of(case), case["x"]))


@KINDS.add(
    "native network", lambda case: case.entry["kind"] == "network_native", slow=lambda _: True
)
def native_network(case: Case) -> Iterator[Comparison]:
    x, rows = rebuilt(case), case["x_rows"]
    step = int(re.search(r"every (\d+)th row", case.input["note"]).group(1))
    if not torch.allclose(x[..., ::step, :], rows, atol=1e-6):
        raise AssertionError("the image is not that of the case")
    yield from compare_known(case, run_as_released(case, network_of(case), x))


def rebuilt(case: Case) -> Tensor:
    """The image (1, 3, H, W) in [0, 1] that a case describes instead of storing it."""
    how = case.input["how"]
    name, turn, height, width = re.search(
        r"\((\S+)\) rolled by (\d+) columns, INTER_AREA to (\d+)x(\d+)", how
    ).groups()
    places = [folder / name for folder in case.folder.resolve().parents]
    path = next((place for place in places if place.exists()), None)
    if path is None:
        raise FileNotFoundError(f"no {name} in a folder above {case.folder}")
    image = np.roll(cv2.imread(str(path))[..., ::-1], int(turn), 1)
    image = cv2.resize(image, (int(width), int(height)), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


@KINDS.add("sphere", has("dirs_28x56"))
def sphere(case: Case) -> Iterator[Comparison]:
    for array in case.arrays:
        kind, name = array.split("_")
        size = tuple(int(side) for side in name.split("x"))
        options = case.options[name]
        view = view_of(size, options["width"], options["height"], options)
        if kind == "dirs":
            yield case.compare(array, directions(*size, view).movedim(-1, 0)[None])
        else:
            grid = (size[0] // _PATCH, size[1] // _PATCH)
            dim = int(kind.removeprefix("embed"))
            found = sphere_embedding(grid, _PATCH, dim, view, torch.device("cpu"))
            yield case.compare(array, found[:, ::3])


@KINDS.add("run_image", lambda case: case.entry["kind"] == "run_image")
def run_image(case: Case) -> Iterator[Comparison]:
    x = case["image"].permute(2, 0, 1)[None].float() / 255
    yield case.compare("x", x)
    ranges = run_as_released(case, network_of(case), x)["distance"]
    yield case.compare("distance", ranges)
    mask, values = case["mask"].bool(), ranges[0]
    low, high = np.quantile(values[mask].numpy(), (0.02, 0.98))
    values = torch.where(mask, values, float(high))
    yield case.compare("depth_npy", values)
    share = np.clip((values.numpy() - low) / (high - low), 0, 1)
    colours = colormaps[_COLOURS](share)[..., :3]
    yield case.compare("color_rgb", (colours * 255).astype(np.uint8))
    points = Equirectangular(*values.shape).unproject(values, dp.DepthKind.RANGE)
    points = optical_to_z_up(points)
    normal, known = normals_of(points, mask)
    x_, y_, z_ = normal.unbind(-1)
    turned = torch.stack((-x_, z_, -y_), -1)
    shown = ((turned + 1) / 2 * 255).to(torch.uint8) * known[..., None]
    yield case.compare("normal_rgb", shown)
    yield case.compare("cloud_count", int(mask.sum()))
    yield case.compare("cloud_xyz", points[mask][::_EVERY])
    yield case.compare("cloud_rgb", case["image"][mask][::_EVERY])


def published_alignment(
    target: Tensor, pred: Tensor, mask: Tensor, how: str
) -> tuple[Tensor, Tensor]:
    """Scale and shift (2,) of an alignment of maps (H, W), and the clipped result."""
    if how == "median":
        scale = np.median(target[mask].numpy()) / np.median(pred[mask].numpy())
        line = (float(scale), 0.0)
    else:
        maps = (values[None, None] for values in (target, pred, mask))
        line = tuple(float(value) for value in scale_and_shift(*maps))
    depth = (line[0] * pred + line[1]).clamp(_LEAST_M, _MOST_M)
    return torch.tensor(line), depth


def published_metrics(target: Tensor, depth: Tensor, names: list[str]) -> list[float]:
    """The authors' metrics of vectors (N,) of metres, in their order."""
    found = photo_metrics(depth, target)
    inverse = (1 / target.double() - 1 / depth.double()).square().mean().sqrt()
    ours = {"abs_relative_difference": "abs_rel", "squared_relative_difference": "sq_rel",
            "rmse_linear": "rmse", "silog_rmse": "silog", "delta1_acc": "d1", "delta2_acc": "d2",
            "delta3_acc": "d3"}  # fmt: skip
    values = {**found, "i_rmse": float(inverse)}
    return [values[ours.get(name, name)] for name in names]


@KINDS.add("metrics", lambda case: case.entry["kind"] == "metrics")
def metrics(case: Case) -> Iterator[Comparison]:
    target, mask = case["gt"], case["valid"].bool()
    for how in ("median", "least_square"):
        line, depth = published_alignment(target, case["pred"], mask, how)
        yield case.compare(f"scale_shift_{how}", line)
        yield case.compare(f"aligned_{how}", depth)
        found = published_metrics(target[mask], depth[mask], case.options["metric_names"])
        yield case.compare(f"values_{how}", found)


@KINDS.add("evaluation", lambda case: case.entry["kind"] == "evaluation", slow=lambda _: True)
def evaluation(case: Case) -> Iterator[Comparison]:
    with TemporaryDirectory() as folder:
        estimator = dp.load(
            model_of(case), official_file(case, folder), "cpu",
            height=case.options["sphere_height"], output_size="network", seam="off",
        )  # fmt: skip
    rows = []
    for index in range(sum(array.startswith("image") for array in case.arrays)):
        image, samples = case[f"image{index}"], case[f"depth_png{index}"]
        camera = Equirectangular(*image.shape[:2])
        size = estimator.input_size(camera)
        seen = estimator._network_input(image, size, False)
        black = normalised(torch.zeros(1, 3, 1, 1))
        seen = (seen - black) * (normalised(torch.ones(1, 3, 1, 1)) - black).reciprocal()
        yield case.compare(f"input{index}_sub", seen[..., ::13, ::13])
        ranges = estimator(image, camera).values
        yield case.compare(f"distance{index}_sub", ranges[None, ::7, ::7])
        ranges = antialiased(ranges[None, None], tuple(samples.shape))[0, 0]
        target = torch.from_numpy(samples.numpy().astype(np.float32)) / 1000
        valid = (target > _LEAST_M) & (target < _MOST_M)
        seen_at = image.float().mean(-1) > 0
        _, depth = published_alignment(target, ranges, valid & seen_at, "median")
        names = case.options["metric_names"]
        rows.append(published_metrics(target[valid], depth[valid], names))
    yield case.compare("per_image", rows)
    yield case.compare("mean", torch.tensor(rows).mean(0))
