"""Cases of ScaleDepth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from golden.cases import Case, Comparison
from golden.fill import fill_tensor, noise_image
from golden.kinds import Kinds, has
from torch import Tensor

from depth_perception.data.photos import (
    bottom_centre_box,
    kitti_photos,
    nyu_photos,
    scene_of_name,
    sunrgbd_samples,
)
from depth_perception.evaluation.nyu_kitti import NYU_FOCAL_PX, PhotoProtocol
from depth_perception.systems.checkpoints import load_strictly
from depth_perception.systems.scaledepth.config import (
    SCALEDEPTH,
    SCALEDEPTH_REDUCED,
    UNUSED_IN_FILES,
)
from depth_perception.systems.scaledepth.deformable import DeformableAttention, deformable_sample
from depth_perception.systems.scaledepth.network import ScaleDepth, bin_edges, relative_depth
from depth_perception.systems.scaledepth.pixel_decoder import sine_positions
from depth_perception.systems.scaledepth.query_decoder import QueryOutput
from depth_perception.systems.scaledepth.windows import (
    Windows,
    fitted_size,
    scaledepth_input,
    scene_depth,
)
from depth_perception.training.panda.losses import dav2_silog
from depth_perception.training.scaledepth.data import PhotoAugment, crop_box, depth_mixed
from depth_perception.training.scaledepth.losses import (
    ScaleDepthLosses,
    class_entropy,
    scale_invariant_log,
    scaledepth_losses,
)

KINDS = Kinds()
OFFICIAL_ATTENTION = {
    "offsets": "sampling_offsets",
    "weights": "attention_weights",
    "value": "value_proj",
    "out": "output_proj",
}


def parameters(case: Case) -> dict[str, Tensor]:
    """The parameters of a case that have a part in depth, by official name."""
    names = {n: v for n, v in case.manifest().items() if not n.startswith(UNUSED_IN_FILES)}
    return case.state(names)


def network_of(case: Case) -> ScaleDepth:
    """The network with the parameters of a case."""
    reduced = case.entry["variant"] == "scaledepth-reduced"
    with torch.device("meta"):
        network = ScaleDepth(SCALEDEPTH_REDUCED if reduced else SCALEDEPTH)
    network.to_empty(device="cpu")
    network.restore_constants()
    load_strictly(network, parameters(case), network.official_names(), case.name)
    return network.requires_grad_(False).eval()


def batch_of(case: Case) -> Tensor:
    """The images of a case as (B, 3, H, W) float32 from 0 to 255."""
    return case.batch("seeds" if "seeds" in case.input else "seed")


@KINDS.add("network", has("mask_features", "bin_logits", "depth"))
def network(case: Case) -> Iterator[Comparison]:
    network, images = network_of(case), batch_of(case)
    with torch.inference_mode():
        maps = network.encoder((images - network.mean) / network.std)
        pixels = network.pixels(maps)
        layers = network.layers(images)
        outputs = [network.output(layer) for layer in layers]
        last = network(images)
    found = {f"res{index + 2}": value for index, value in enumerate(maps)}
    found |= {f"memory{index}": value for index, value in enumerate(pixels.memories)}
    found["mask_features"] = pixels.features
    found["bin_logits"] = torch.stack([layer.logits for layer in layers])[..., None]
    found["mask_logits_last"] = layers[-1].masks
    found["scale_queries"] = torch.stack([layer.free for layer in layers])
    found["scales"] = torch.stack([output.scale_m for output in outputs])[..., None]
    found["class_probs"] = torch.stack([output.class_probabilities for output in outputs])
    found["relative_depth_last"] = last.relative
    found["bin_edges"] = torch.stack([bin_edges(layer.logits) for layer in layers])
    found["depth"] = last.depth_m(tuple(images.shape[-2:]))
    for array in case.arrays:
        yield case.compare(array, found[array])


def kitti_crop(pixels: Tensor) -> Tensor:
    """The 352 x 1216 pixels at the bottom that the KITTI evaluation looks at."""
    top, bottom, left, right = bottom_centre_box(*pixels.shape[:2])
    return pixels[top:bottom, left:right]


@KINDS.add("inference", lambda case: "test_cfg" in case.options)
def inference(case: Case) -> Iterator[Comparison]:
    options, pixels = case.options, torch.from_numpy(case.image)
    if "KBCrop" in case.entry.get("preprocessing", "") or options["output_size"] == [352, 1216]:
        pixels = kitti_crop(pixels)
    mode = options["test_cfg"]
    whole = mode["mode"] == "whole"
    height, width = options.get("network_input", [3, *pixels.shape[:2]])[1:]
    resized = cv2.resize(pixels.numpy(), (width, height), interpolation=cv2.INTER_LINEAR)
    windows = None
    if not whole:
        (rows, columns), (stride, _) = mode["crop_size"], mode["stride"]
        windows = Windows(rows, columns, stride, scale="own")
    with torch.inference_mode():
        depth = scene_depth(
            network_of(case),
            torch.from_numpy(resized).permute(2, 0, 1)[None].float(),
            windows=windows,
            flip="flip" in mode["mode"],
            head_size=tuple(options["img_shape_meta"]) if whole else None,
            batch=2,
        ).depth_m
    size = tuple(options["output_size"])
    if whole:
        depth = torch.nn.functional.interpolate(depth, size, mode="bilinear")
    step = options.get("stored_every", 1)
    yield case.compare("depth", depth[0, 0, ::step, ::step])


@KINDS.add("deformable attention", has("sampling_locations", "module_output"))
def deformable_attention(case: Case) -> Iterator[Comparison]:
    sizes = [tuple(size) for size in case["spatial_shapes"].tolist()]
    sampled = deformable_sample(
        case["value"], sizes, case["sampling_locations"], case["attention_weights"]
    )
    yield case.compare("output", sampled)
    query, positions = case["query"], case["query_pos"]
    anchors = case["reference_points"][0, :, 0]
    yield case.compare(
        "reference_points", anchors[None, :, None].expand_as(case["reference_points"])
    )
    attention = DeformableAttention(query.shape[-1], case["value"].shape[2]).eval()
    for name, value in attention.state_dict().items():
        part, kind = name.split(".")
        official = f"{OFFICIAL_ATTENTION[part]}.{kind}"
        value.copy_(fill_tensor(official, value.shape, case.entry["fill_seed"]))
    with torch.inference_mode():
        yield case.compare("module_output", query + attention(query, positions, anchors, sizes))
        layer = network_of(case).pixels.layers[0]
        yield case.compare("encoder_layer_output", layer(query, positions, anchors, sizes))


def _is_sine(case: Case) -> bool:
    return all(array.startswith("pe") for array in case.arrays)


@KINDS.add("sine positions", _is_sine)
def sine(case: Case) -> Iterator[Comparison]:
    for array in case.arrays:
        channels, size = array.removeprefix("pe").split("_")
        rows, columns = map(int, size.split("x"))
        yield case.compare(array, sine_positions(rows, columns, 2 * int(channels))[None])


@KINDS.add("decoder layer", has("cross_attn_mask"))
def decoder_layer(case: Case) -> Iterator[Comparison]:
    decoder = network_of(case).queries
    layer = int(case.options["layer"].rsplit(".", 1)[1])
    bins = case.arrays["head_bin_logits"].shape[1]
    masked = case["cross_attn_mask"].bool()
    with torch.inference_mode():
        inputs = (case[name] for name in ("query", "query_pos", "key", "key_pos"))
        yield case.compare("output", decoder.layers[layer](*inputs, masked))
        logits, masks = decoder.read(case["query"][:, :bins], case["mask_features"])
        size = re.search(r"at size \((\d+), (\d+)\)", case.options["head"]).groups()
        size = tuple(map(int, size))
        hidden = torch.nn.functional.interpolate(masks, size, mode="bilinear").flatten(2) < 0
    yield case.compare("head_bin_logits", logits[..., None])
    yield case.compare("head_mask_logits", masks)
    yield case.compare("head_attn_mask", hidden)


@KINDS.add("bins, scale and classes", has("metric_depth_without_scale"))
def bins_scale_classes(case: Case) -> Iterator[Comparison]:
    logits, masks = case["bin_logits"][..., 0], case["mask_logits"]
    extent = case.options["max_depth_without_scale"] - case.options["min_depth"]
    yield case.compare("bin_edges", bin_edges(logits))
    yield case.compare("relative_depth", relative_depth(logits, masks))
    yield case.compare("bin_edges_without_scale", bin_edges(logits, extent))
    yield case.compare("metric_depth_without_scale", relative_depth(logits, masks, extent))
    output = network_of(case).output(QueryOutput(logits, masks, case["scale_queries"]))
    yield case.compare("scale", output.scale_m[:, None])
    yield case.compare("class_probs", output.class_probabilities)


@KINDS.add("losses", has("sig_maxnone"))
def losses(case: Case) -> Iterator[Comparison]:
    target, relative = case["gt"], case["pred"]
    metric = relative * case["scale"][..., None, None]
    weight = case.options["loss_weight"]
    for name, pred in (("sig", relative), ("sigplus", metric)):
        yield case.compare(f"{name}_maxnone", weight * scale_invariant_log(pred, target))
        near = scale_invariant_log(pred, target, max_depth_m=10)
        yield case.compare(f"{name}_max10", weight * near)
        early = scale_invariant_log(pred, target, mean_only=True)
        yield case.compare(f"{name}_warmup", weight * early)
    scores, labels = case["class_scores"], case["class_labels"]
    entropy = class_entropy(scores, labels)
    yield case.compare("loss_ce", case.options["ce_weight"] * entropy)
    yield case.compare("celoss_unused", entropy)
    best = scores.topk(5).indices == labels[:, None]
    shares = torch.stack([100 * best[:, :k].any(1).float().mean() for k in (1, 5)])
    yield case.compare("celoss_top1_top5", shares)
    each = [
        dav2_silog(t[None], p[None], t[None] > 0) for t, p in zip(target, relative, strict=True)
    ]
    yield case.compare("silog_generic_mmseg_unused", torch.stack(each).mean())


@KINDS.add("training losses", lambda case: "aux_index" in case.options)
def training_losses(case: Case) -> Iterator[Comparison]:
    source, options = case.input, case.options
    truth = [noise_image(source["height"], source["width"], seed) for seed in source["gt_seeds"]]
    truth = torch.stack([_truth(torch.from_numpy(image)) for image in truth])
    yield case.compare("gt", truth)
    network = network_of(case).requires_grad_(True)
    terms = ScaleDepthLosses(
        layers=tuple(options["aux_index"]),
        layer_weights=tuple(options["aux_weight"]),
        max_depth_m=options["max_depth"],
    )
    labels = torch.tensor(source["category_id"])
    found = scaledepth_losses(network, network.layers(batch_of(case)), truth, labels, terms)
    total = torch.stack(list(found.values())).sum()
    total.backward()
    yield case.compare("total", total)
    for name, value in found.items():
        kind, _, layer = name.partition("_")
        official = {"depth": "loss_depth", "class": "loss_ce"}[kind]
        official = f"aux_{official}_{layer}" if layer else official
        yield case.compare(f"decode.{official}", value)
    names = network.official_names()
    gradients = {names[name]: p.grad for name, p in network.named_parameters()}
    if missing := [name for name, gradient in gradients.items() if gradient is None]:
        raise AssertionError(f"no gradient of {missing}")
    for array in case.arrays:
        if array.startswith("grad:"):
            yield case.compare(array, gradients[array.removeprefix("grad:")])


def _truth(image: Tensor) -> Tensor:
    return torch.where(image[..., 1] < 90, 0.0, image[..., 0].float() / 25.5)[None]


@KINDS.add("metrics", lambda case: "sets" in case.options)
def metrics(case: Case) -> Iterator[Comparison]:
    for name, options in case.options["sets"].items():
        rescale = options.get("focal_length_rescale", False)
        protocol = PhotoProtocol(
            min_depth_m=options["min_depth_eval"],
            max_depth_m=options["max_depth_eval"],
            crop=options.get("crop_type", "none").removesuffix("_crop"),
            clamp=options.get("depth_clamp", False),
            reference_focal_px=NYU_FOCAL_PX if rescale else None,
        )
        rows, counts = [], []
        for seed in case.input["seeds"]:
            maps = _prediction_and_truth(options["height"], options["width"], options["k"], seed)
            found = protocol.metrics(*maps, focal_px=case.options["focal_length"])
            rows.append([*found.values()])
            counts.append(int(protocol.mask(maps[1]).sum()))
        yield case.compare(f"{name}/mask_count", counts)
        yield case.compare(f"{name}/per_image", rows)
        yield case.compare(name, torch.tensor(rows).mean(0))


def _prediction_and_truth(height: int, width: int, k: float, seed: int) -> tuple[Tensor, Tensor]:
    """Maps of one image by the recipe of the case."""
    one, other = (torch.from_numpy(noise_image(height, width, s)).float() for s in (seed, seed + 1))
    truth = one[..., 0] * k / 255
    truth[one[..., 1] < 80] = 0
    return truth * (0.7 + other[..., 0] / 425) + other[..., 1] * k / 2550 + 0.01, truth


@KINDS.add("data pipeline", lambda case: "depthmix" in case.input)
def data_pipeline(case: Case) -> Iterator[Comparison]:
    yield from _resized(case)
    yield from _depth_mix(case)
    yield from _depth_files(case)
    options = case.options
    for size, box in options.get("kbcrop", {}).items():
        top, bottom, left, right = bottom_centre_box(*map(int, size.split("x")))
        found = {"top": top, "left": left, "height": bottom - top, "width": right - left}
        _expect(f"kbcrop {size}", found, box)
    for size, boxes in options.get("slide_windows_y1y2x1x2", {}).items():
        found = Windows(scale="own").boxes(*map(int, size.split("x")))
        _expect(f"windows {size}", [list(box) for box in found], boxes)
    for name, scene in options.get("nyu_category_id", {}).items():
        _expect(f"scene of {name}", scene_of_name(Path(name).name), scene)
    for key, boxes in options.items():
        if key.startswith("randomcrop_"):
            size, _, whole, _, seed = key.removeprefix("randomcrop_").split("_")
            rng = np.random.RandomState(int(seed.removeprefix("seed")))
            sizes = [tuple(map(int, text.split("x"))) for text in (whole, size)]
            _expect(key, [list(crop_box(*sizes, rng)) for _ in boxes], boxes)


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"{what}: {found}, expected {expected}")


def _resized(case: Case) -> Iterator[Comparison]:
    source = case.input["resize"]
    height, width = source["height"], source["width"]
    pixels = torch.from_numpy(noise_image(height, width, source["seed"]))
    for array in case.arrays:
        if not array.startswith("resize_"):
            continue
        limits = [int(n) for n in array.split("_")[1].split("x")]
        size = (limits[-1], limits[0])  # written as width x height
        if array.endswith("_keep"):
            size = fitted_size(height, width, limits[0], limits[-1])
        yield case.compare(array, scaledepth_input(pixels, size)[0].permute(1, 2, 0))


def _depth_mix(case: Case) -> Iterator[Comparison]:
    source = case.input["depthmix"]
    image = noise_image(*(source["image"][key] for key in ("height", "width", "seed")))
    depth = noise_image(*(source["depth"][key] for key in ("height", "width", "seed")))
    depth = depth[..., 0] * np.float32(0.03)
    yield case.compare("depthmix_depth", depth)
    for array, expected in case.arrays.items():
        if array.startswith("depthmix_prob"):
            chance, _, _, seed = array.removeprefix("depthmix_prob").split("_")
            rng = np.random.RandomState(int(seed.removeprefix("seed")))
            changes = PhotoAugment(depth_mix=float(chance), depth_mix_values="wrapped")
            mixed = [depth_mixed(image, depth, changes, rng) for _ in expected]
            yield case.compare(array, np.stack(mixed))


def _depth_files(case: Case) -> Iterator[Comparison]:
    """Depth samples as the readers of the data sets turn them into metres."""
    samples = case["depthload_png_uint16"].numpy().astype(np.uint16)[None]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        places = {
            "nyu": (root / "images/test/office_1.png", root / "annotations/test/office_1.png"),
            "kitti": (root / "input/a.png", root / "gt_depth/b.png"),
        }
        for image, depth in places.values():
            image.parent.mkdir(parents=True, exist_ok=True)
            depth.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(image), np.zeros((*samples.shape, 3), np.uint8))
            cv2.imwrite(str(depth), samples)
        (root / "list.txt").write_text("a.png b.png 721.5\n")
        yield case.compare("depthload_nyu_1e-3", nyu_photos(root, "test")[0].depth_m[0])
        reader = kitti_photos(root, "list.txt")
        reader.crop = None
        yield case.compare("depthload_kitti_256", reader[0].depth_m[0])
    metres = sunrgbd_samples(samples)[0] / np.float32(1000)
    yield case.compare("depthload_sunrgbd_inpaint", metres)
