"""Cases of the monocular models of Depth Anything 3."""

from __future__ import annotations

import re
from collections.abc import Iterator
from unittest import mock

import numpy as np
import torch
from golden.cases import Case, Comparison
from golden.fill import noise_image
from golden.kinds import Kinds, has
from golden.stages import compare_known, cut, head_stages, tap_stages
from torch import Tensor

from depth_perception.geometry import Pinhole
from depth_perception.layers import VitEncoder
from depth_perception.systems import build_network, card
from depth_perception.systems.checkpoints import load_strictly
from depth_perception.systems.da3.estimator import Da3Estimator, metres
from depth_perception.systems.da3.input import InputSteps, input_steps
from depth_perception.systems.da3.network import DepthAnything3
from depth_perception.systems.da3.options import Da3Options
from depth_perception.systems.da3.sky import filled, is_sky
from depth_perception.systems.image_input import network_input

KINDS = Kinds()
MODELS = {
    "da3_tiny": "da3-tiny",
    "da3metric-large": "da3-metric-large",
    "da3mono-large": "da3-mono-large",
}


def is_large(case: Case) -> bool:
    return case.entry["variant"] != "da3_tiny"


def network_of(case: Case) -> DepthAnything3:
    """The network with the parameters of a case."""
    with torch.device("meta"):
        network = build_network(MODELS[case.entry["variant"]])
    network.to_empty(device="cpu")
    load_strictly(network, case.state(), network.official_names(), case.name)
    return network.requires_grad_(False).eval()


def camera_of(intrinsics: Tensor, height: int, width: int) -> Pinhole:
    """The camera of a 3 x 3 matrix whose principal point counts from the corner."""
    k = intrinsics.double()
    return Pinhole(height, width, *(float(k[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2))))


def matrix_of(camera: Pinhole) -> Tensor:
    rows = [[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]]
    return torch.tensor(rows, dtype=torch.float64)


def numbers_in(pattern: str, words: str) -> list[float]:
    """The numbers of the groups of a pattern, in the words of a case."""
    found = re.search(pattern, words)
    assert found is not None, f"no {pattern} in {words!r}"
    return [float(number) for number in found.groups()]


def pooled(depth: Tensor, sky: Tensor) -> Tensor:
    """All pictures of a call with one fill value, as the original does."""
    return filled(depth.reshape(1, -1), sky.reshape(1, -1)).reshape(depth.shape)


@KINDS.add("sky fill", lambda case: any(name.endswith("_out") for name in case.arrays))
def sky_fill(case: Case) -> Iterator[Comparison]:
    for array in case.arrays:
        if array.endswith("_out"):
            name = array.removesuffix("_out")
            yield case.compare(array, pooled(case[f"{name}_depth"], case[f"{name}_sky"]))
    if "large_full_quantile" not in case:
        return
    words = case.entry["arrays_doc"]["large"]
    (seed,) = numbers_in(r"RandomState\((\d+)\)", words)
    spread, *shape = numbers_in(r"exp\(([\d.]+) \* R.standard_normal\(\(1,1,(\d+),(\d+)\)", words)
    (share,) = numbers_in(r"\) < ([\d.]+)\)", words)
    stream, shape = np.random.RandomState(int(seed)), tuple(map(int, shape))
    depth = np.exp(spread * stream.standard_normal(shape)).astype(np.float32)
    sky = (stream.random_sample(shape) < share).astype(np.float32)
    value = filled(torch.from_numpy(depth), torch.from_numpy(sky))[torch.from_numpy(sky) > 0][0]
    yield case.compare("large_full_quantile", value)
    yield case.compare("large_fill_values", value.expand_as(case.arrays["large_fill_values"]))


@KINDS.add("metres", lambda case: {"depth", "intrinsics", "metres"} == set(case.arrays))
def metres_of_depth(case: Case) -> Iterator[Comparison]:
    depth, intrinsics = case["depth"].flatten(0, 1), case["intrinsics"].flatten(0, 1)
    size = depth.shape[-2:]
    found = [metres(d, camera_of(k, *size)) for d, k in zip(depth, intrinsics, strict=True)]
    yield case.compare("metres", torch.stack(found).reshape(case.arrays["metres"].shape))


@KINDS.add("network input size", has("rows"))
def size_rule(case: Case) -> Iterator[Comparison]:
    methods, rows = case.entry["methods"], []
    for height, width, side, method, *_ in case["rows"].tolist():
        height, width = int(height), int(width)
        steps = input_steps(height, width, int(side), methods[int(method)])
        camera = steps.camera(Pinhole(height, width, width, height, width / 2, height / 2))
        numbers = (*steps.size, camera.fx, camera.fy, camera.cx, camera.cy)
        rows.append([height, width, side, method, *numbers])
    # the network refuses thinner pictures, ours are never thinner
    usable = (case.arrays["rows"][:, 4:6] >= 14).all(1)
    yield case.compare("rows", torch.tensor(rows, dtype=torch.float64), where=usable)


@KINDS.add("preprocessing", lambda case: "jobs" in case.entry)
def preprocessing(case: Case) -> Iterator[Comparison]:
    for name, job in case.entry["jobs"].items():
        image = case[f"{name}_image"]
        steps = input_steps(*image.shape[:2], job["process_res"], job["method"])
        yield case.compare(f"{name}_x", steps.network_input(image))
        given = numbers_in(r"fx (\d+), fy (\d+), cx (\d+), cy (\d+)", case.entry["note"])
        camera = Pinhole(*image.shape[:2], *given)
        yield case.compare(f"{name}_K", matrix_of(steps.camera(camera)))


@KINDS.add("pos_embed", lambda case: all(name.startswith("pe_") for name in case.arrays))
def position_embedding(case: Case) -> Iterator[Comparison]:
    pattern = r"RandomState\((\d+)\).standard_normal\(\(1,1370,(\d+)\)\)"
    seed, dim = map(int, numbers_in(pattern, case.input["how"]))
    encoder = VitEncoder(dim, 1, 1, (0,))
    table = np.random.RandomState(seed).standard_normal((1, 1370, dim)).astype(np.float32)
    encoder.pos_embed.data = torch.from_numpy(table)
    for array in case.arrays:
        grid = tuple(int(number) for number in array.removeprefix("pe_").split("x"))
        with torch.no_grad():
            yield case.compare(array, encoder.position_embedding(grid))


def stored_input(case: Case) -> Tensor:
    """The network input (N, 3, H, W); made again where the file has only a pixel of it."""
    if "subsampled" not in case.entry["arrays"]["x"]:
        return case["x"][0]
    case.read.add("x")
    numbers = case.input["how"].split("noise_image(")[1].split(")")[0]
    height, width, seed = map(int, numbers.split(","))
    return network_input(torch.from_numpy(noise_image(height, width, seed)), (height, width))


def is_random(depth: Tensor, sky: Tensor) -> bool:
    """Whether the original drew the pixels of the quantile at random."""
    return int((~is_sky(sky)).sum()) > 100_000


@KINDS.add("network", lambda case: case.entry.get("kind") == "network", is_large)
def network(case: Case) -> Iterator[Comparison]:
    network, images = network_of(case), stored_input(case)
    with torch.inference_mode():
        maps, (depth, sky) = network(images), network.logits(images)
        found = {"depth_raw": maps.depth, "sky": maps.sky, "depth_logit": depth, "sky_logit": sky}
        fill = pooled(maps.depth, maps.sky)
        if is_random(*maps):
            beyond = is_sky(cut(case, "sky", maps.sky[None]))
            values = cut(case, "depth", fill[None])
            yield case.compare("depth", values, part="ground", where=~beyond)
            yield case.compare("depth", values, part="drawn at random", where=beyond)
        else:
            found["depth"] = fill
        each = [filled(*one) for one in zip(*maps, strict=True)]
        found |= {"depth_each": torch.stack(each)}
        found = {name: value.reshape(1, -1, *value.shape[-2:]) for name, value in found.items()}
        yield from compare_known(case, found | stages(case, network, images))


def stages(case: Case, network: DepthAnything3, images: Tensor) -> dict[str, Tensor]:
    """Tokens, taps and the stages of the head."""
    encoder, head = network.encoder, network.head
    grid, taps = encoder.grid_of(*images.shape[-2:]), encoder(images)
    found = {"tokens": encoder.embed(images), **tap_stages(taps)}
    blocks: list[Tensor] = []
    hooks = [block.register_forward_hook(lambda *call: blocks.append(call[2]))
             for block in encoder.blocks]  # fmt: skip
    encoder(images)
    for hook in hooks:
        hook.remove()
    found["block0"] = blocks[0]
    for index, tap in enumerate(encoder.taps):
        found[f"cls{index}"] = blocks[tap][:, 0]  # not normed, unlike ours
    patches = [tap.patches for tap in taps]
    found |= head_stages(head, patches, grid)
    trunk, size = head.trunk(patches, grid), images.shape[-2:]
    large = torch.nn.functional.interpolate(trunk, size, mode="bilinear", align_corners=True)
    found |= {"depth_conv0": head.out[0](large), "sky_conv0": head.sky[0](large)}
    return found


@KINDS.add("run_image", lambda case: case.entry.get("kind") == "run_image", is_large)
def run_image(case: Case) -> Iterator[Comparison]:
    image, intrinsics = case["image"], case["intrinsics"]
    method = case.options["process_res_method"]
    size = {"process_res": case.options["process_res"], "process_res_method": method}
    estimator = Da3Estimator(
        card("da3-metric-large"),
        network_of(case),
        options=Da3Options(output_size="network", sky="filled", **size),
    )
    camera = camera_of(intrinsics, *image.shape[:2])
    steps = input_steps(*image.shape[:2], estimator.options.process_res, method)
    x = steps.network_input(image)
    # from the pixels of the original, which may differ by a grey level
    given = case.arrays["x"][0] if "x" in case else x
    with torch.inference_mode(), mock.patch.object(InputSteps, "network_input", return_value=given):
        maps, prediction = estimator.network(given), estimator(image, camera)
    found = {
        "x": x[None],
        "depth_raw": maps.depth,
        "sky": maps.sky,
        "depth": filled(maps.depth[0], maps.sky[0])[None],
        "metres": prediction.values[None],
        "intrinsics_network": matrix_of(steps.camera(camera))[None],
    }
    yield from compare_known(case, found)
    if "sky_mask" in case:
        clear = (case.arrays["sky"] - 0.5).abs() > 1e-3
        yield case.compare("sky_mask", maps.sky >= 0.5, where=clear)
    if "metres_original_seed0" in case:
        beyond, values = is_sky(case.arrays["sky"]), cut(case, "metres", prediction.values[None])
        array = "metres_original_seed0"
        yield case.compare(array, values, part="ground", where=~beyond)
        yield case.compare(array, values, part="drawn at random", where=beyond)
