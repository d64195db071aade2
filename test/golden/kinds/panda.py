"""Cases of PanDA and Depth Anything V2."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from unittest import mock

import cv2
import numpy as np
import torch
from golden.cases import Case, Comparison
from golden.evaluators import clamped_as_released, metrics_dav2
from golden.kinds import Kinds, has
from golden.stages import compare_known, head_stages, tap_stages
from published.cube_maps import cube_cosines, cube_to_equirectangular, equirectangular_to_cube
from published.panoramas import mobius_warp
from torch import Tensor

import depth_perception as dp
from depth_perception.data.panoramas import PANORAMA_IMAGES, PANORAMAS, open_panoramas
from depth_perception.evaluation.alignment import Alignment, align, scale_and_shift
from depth_perception.evaluation.metrics import depth_metrics, mean_of
from depth_perception.geometry import Equirectangular, Mobius
from depth_perception.geometry.mobius import mobius_grid
from depth_perception.geometry.projections import cassini_to_equirectangular
from depth_perception.geometry.rotations import optical_to_panda
from depth_perception.io.colormaps import PUBLISHED_COLORMAP, colourise, normalise
from depth_perception.io.images import side_by_side, write_image
from depth_perception.systems import build_network, load_network
from depth_perception.systems.image_input import network_input, network_size
from depth_perception.training.panda import losses
from depth_perception.training.panda.augment import turn
from depth_perception.training.panda.frames import DataRecipe, FrameFiles, make_target
from depth_perception.training.panda.frames import normalise as normalise_rgb
from depth_perception.training.panda.losses import draw_rectangles, epnl
from depth_perception.training.panda.student_task import (
    LabelledImages,
    StudentBatch,
    StudentTraining,
    UnlabelledRecipe,
    Weights,
)
from depth_perception.training.panda.task import trainable_network
from depth_perception.training.recipe import load_recipe

KINDS = Kinds()
MODELS = {
    "panda_tiny": "panda-tiny",
    "panda_small": "panda-small",
    "panda_base": "panda-base",
    "panda_large": "panda-large",
    "depth_anything_v2_vits": "depth-anything-v2-small",
    "depth_anything_v2_vitb": "depth-anything-v2-base",
    "depth_anything_v2_vitl": "depth-anything-v2-large",
    "depth_anything_v2_metric_vits": "depth-anything-v2-metric-indoor-small",
    "depth_anything_v2_metric_vitb": "depth-anything-v2-metric-indoor-base",
    "depth_anything_v2_metric_vitl": "depth-anything-v2-metric-indoor-large",
}
# Official losses: ours, the names of their options, and whether they ignore values without depth.
LOSSES = {
    "l1": losses.l1,
    "l2": losses.l2,
    "berhu": losses.berhu,
    "silog": losses.silog,
    "rmselog": losses.rmselog,
    "scale_invariant": losses.scale_invariant,
    "gradient": losses.gradient,
    "l1norm": losses.l1norm,
    "dav2_silog": losses.dav2_silog,
}
LOSS_OPTIONS = {
    "loss_weight": "weight",
    "variance_focus": "variance_focus",
    "lambd": "variance_focus",
    "scale_num": "scales",
    "threshold": "threshold",
}
# Short names of the data sets in the arrays, and the targets of their trainings.
DATA_SETS = {
    "s3d": ("structured3d", {"target": "quantiles", "max_depth_m": 100.0}),
    "deep360": ("deep360", {"target": "quantiles", "max_depth_m": 100.0}),
    "m3d": ("matterport3d", {"beyond": "ignore", "max_depth_m": 10.0}),
    "s2d": ("stanford2d3d", {"beyond": "ignore", "max_depth_m": 10.0}),
}


def model_of(case: Case) -> str:
    """Our name of the network of a case."""
    return MODELS[case.entry["variant"]]


def save_official(state: dict[str, Tensor], path: Path, wrapping: str) -> Path:
    """Write parameters the way one of the authors' programs does."""
    prefixed = {f"module.{name}": value for name, value in state.items()}
    contents = {
        "plain": dict(state),
        "data parallel": {**prefixed, "epoch": 3},
        "trainer": {
            "model": prefixed,
            "optimizer": {"state": {}, "param_groups": []},
            "epoch": 7,
            "previous_best": {"abs_rel": 0.1},
        },
    }
    torch.save(contents[wrapping], path)
    return path


def official_file(case: Case, folder: str) -> Path:
    """The parameters of a case in a file as published for its network."""
    wrapping = "data parallel" if model_of(case).startswith("panda") else "plain"
    return save_official(case.state(), Path(folder) / "weights.pth", wrapping)


@KINDS.add("network", lambda case: case.entry.get("kind") == "network")
def network(case: Case) -> Iterator[Comparison]:
    output = "pred_depth" if "pred_depth" in case else "depth"
    for merge in (False, True):
        with TemporaryDirectory() as folder:
            network = load_network(model_of(case), official_file(case, folder), merge_lora=merge)
        network.max_depth = float(case.options.get("max_depth") or network.max_depth)
        with torch.no_grad():
            values = network(case["x"]).reshape(case.arrays[output].shape)
            yield case.compare(output, values, part="merged adapters" if merge else "")
            if not merge:
                yield from _stages(case, network)


def _stages(case: Case, network: torch.nn.Module) -> Iterator[Comparison]:
    """Tokens, taps and the stages of the head, as far as the case has them."""
    taps = network.encoder(case["x"])
    grid = network.encoder.grid_of(*case["x"].shape[-2:])
    found = {"tokens": network.encoder.embed(case["x"]), **tap_stages(taps)}
    patches = [case.arrays.get(f"feat{index}", tap.patches) for index, tap in enumerate(taps)]
    yield from compare_known(case, found | head_stages(network.head, patches, grid))


@KINDS.add("pos_embed", lambda case: case.entry.get("kind") == "pos_embed")
def position_embedding(case: Case) -> Iterator[Comparison]:
    with torch.device("meta"):
        encoder = build_network(model_of(case)).encoder
    names = {n: shape for n, shape in case.manifest().items() if n.endswith(".pos_embed")}
    (values,) = case.state(names).values()
    encoder.pos_embed = torch.nn.Parameter(values)
    for array, expected in case.arrays.items():
        grid = tuple(int(number) for number in array.removeprefix("pe_").split("x"))
        with torch.no_grad():
            embedding = encoder.position_embedding(grid)[0, :, : expected.shape[1]]
        yield case.compare(array, embedding)


@KINDS.add("run_image", lambda case: case.entry.get("kind") == "run_image")
def run_image(case: Case) -> Iterator[Comparison]:
    image, height = case.image, case.options["height"]
    size = tuple(case.arrays["x"].shape[-2:])
    yield case.compare("x", network_input(torch.from_numpy(image), size))
    predictions = {}
    with TemporaryDirectory() as folder:
        path = official_file(case, folder)
        for output in ("network", "input"):
            estimator = dp.load(
                model_of(case), path, "cpu", height=height, output_size=output, seam="off"
            )  # fmt: skip
            camera = Equirectangular(*image.shape[:2])
            predictions[output] = estimator(image, camera)
    small = predictions["network"].values
    yield case.compare("pred_depth", small[None, None])
    yield case.compare("depth_resized", predictions["input"].values)
    for tail, prediction in (("", predictions["network"]), ("_resized", predictions["input"])):
        yield case.compare(f"gray{tail}", normalise(prediction.values.numpy()))
        colours = colourise(case[f"gray{tail}"].numpy(), PUBLISHED_COLORMAP)[..., ::-1]
        yield case.compare(f"color_bgr{tail}", colours.copy())
        if f"panel{tail}_bgr" in case:
            panel = side_by_side(np.ascontiguousarray(image[..., ::-1]), colours)
            yield case.compare(f"panel{tail}_bgr", panel)
    if "cloud_xyz" in case:
        cloud = predictions["network"].points(allow_affine=True)
        yield case.compare("cloud_xyz", optical_to_panda(cloud).reshape(-1, 3))
        resized = cv2.resize(image, small.shape[::-1], interpolation=cv2.INTER_CUBIC)
        swapped = resized.reshape(-1, 3)[:, ::-1] / 255.0  # as stored, blue first
        yield case.compare("cloud_rgb", swapped)


@KINDS.add(
    "infer_image", lambda case: case.entry.get("kind") in ("infer_image", "infer_image_dav2")
)
def infer_image(case: Case) -> Iterator[Comparison]:
    size = tuple(case.arrays["x"].shape[-2:])
    yield case.compare("x", network_input(torch.from_numpy(case.image), size))
    options = {"height": case.options["input_size"], "align_corners": True, "seam": "off"}
    options["output_size"] = "input"
    with TemporaryDirectory() as folder:
        estimator = dp.load(model_of(case), official_file(case, folder), "cpu", **options)
    prediction = estimator(case.image)
    yield case.compare("depth", prediction.values)
    if "net_depth" in case:
        with torch.no_grad():
            values = estimator.network(case["x"])
        yield case.compare("net_depth", values[:, 0])


@KINDS.add(
    "network input size", lambda case: case.entry.get("kind") == "function" and "rows" in case
)
def input_size(case: Case) -> Iterator[Comparison]:
    methods = ("lower_bound", "upper_bound", "minimal")
    rows = [
        [method, *sizes, *network_size(*sizes, method=methods[method])]
        for method, *sizes, _, _ in case["rows"].tolist()
    ]
    yield case.compare("rows", rows)


@KINDS.add("EPNL", has("random_masks", "ssi_mae_sum"))
def epnl_loss(case: Case) -> Iterator[Comparison]:
    rng = np.random.RandomState(case.options["np_seed"])
    yield case.compare("random_masks", draw_rectangles(*case["target"].shape[-2:], rng))
    pred = case["pred"].clone().requires_grad_()
    weight = case.options["loss_weight"]
    value = epnl(case["target"], pred, case["mask"], weight, rectangles=case["random_masks"])
    value.backward()
    yield case.compare("value", value)
    yield case.compare("grad", pred.grad)


@KINDS.add("losses", lambda case: case.entry.get("kind") == "losses")
def loss_values(case: Case) -> Iterator[Comparison]:
    for array in case.arrays:
        name = array.removeprefix("value_").removeprefix("zeros_")
        if not array.startswith("value_"):
            continue
        official = next(n for n in sorted(LOSSES, key=len, reverse=True) if name.startswith(n))
        given = case.options.get(name, {})
        options = {LOSS_OPTIONS[key]: value for key, value in given.items()}
        options.pop("threshold", None)  # ours has the published one
        target = case["target_with_zeros" if array.startswith("value_zeros_") else "target"]
        pred = case["pred"].clone().requires_grad_()
        value = LOSSES[official](target, pred, case["mask"], **options)
        value.backward()
        yield case.compare(array, value)
        if f"grad_{name}" in case and target is case["target"]:
            yield case.compare(f"grad_{name}", pred.grad)


def _pooled(case: Case, pred: Tensor, mask: Tensor, gt: Tensor | None = None) -> list[float]:
    gt = case["gt"] if gt is None else gt
    return [*depth_metrics(gt[mask], pred[mask], strict=False).values()]


@KINDS.add("aligned metrics", has("aligned", "gt"))
def aligned_metrics(case: Case) -> Iterator[Comparison]:
    gt, pred, mask = case["gt"], case["pred"], case["mask"]
    aligned = align(gt, pred, mask, Alignment.SCALE_SHIFT)
    yield case.compare("aligned", _pooled(case, aligned, mask))
    if "negative_count" in case:
        yield case.compare("negative_count", (aligned[mask] < 0).sum())
    if "scale" in case:
        for name, values in zip(("scale", "shift"), scale_and_shift(gt, pred, mask), strict=True):
            yield case.compare(name, values)
    if "aligned_nomask" in case:
        whole = align(gt, pred, gt > 0, Alignment.SCALE_SHIFT)
        yield case.compare("aligned_nomask", _pooled(case, whole, gt > 0))
    if "aligned_median" in case:
        ratio = gt[mask].median() / aligned[mask].median()
        yield case.compare("aligned_median", _pooled(case, ratio * aligned, mask))
    if "evaluator_per_image" in case:
        rows = []
        for one in zip(gt, pred, mask, strict=True):
            truth, values, known = (maps[None] for maps in one)
            values = align(truth, values, known, Alignment.SCALE_SHIFT)
            rows.append(depth_metrics(truth[known], values[known], strict=False))
        yield case.compare("evaluator_per_image", [*mean_of(rows).values()])


@KINDS.add("metric depth", has("plain", "gt"))
def metric_metrics(case: Case) -> Iterator[Comparison]:
    gt, pred = clamped_as_released(case["gt"], case["pred"])
    mask, known = case["mask"], case["gt"] > 0
    ratio = gt[mask].median() / pred[mask].median()
    yield case.compare("plain", _pooled(case, pred, mask, gt))
    yield case.compare("nomask", _pooled(case, pred, known, gt))
    yield case.compare("median", _pooled(case, ratio * pred, mask, gt))
    if "pred_above_10" in case:
        yield case.compare("pred_above_10", ((case["pred"] > 10) & mask).sum())
    rows = []
    for truth, values, where in zip(case["gt"], case["pred"], mask, strict=True):
        truth, values = clamped_as_released(truth, values)
        rows.append(depth_metrics(truth[where], values[where], strict=False))
    yield case.compare("evaluator_per_image", [*mean_of(rows).values()])


@KINDS.add("metrics of Depth Anything", has("values", "gt"))
def depth_anything_metrics(case: Case) -> Iterator[Comparison]:
    yield case.compare("values", [*metrics_dav2(case["gt"], case["pred"]).values()])


@KINDS.add("Moebius warp", has("coord_id_Equator", "image"))
def moebius(case: Case) -> Iterator[Comparison]:
    height, width = case["image"].shape[-2:]
    for array in case.arrays:
        if not array.startswith("coord_"):
            continue
        name, pole = array.removeprefix("coord_").rsplit("_", 1)
        warp = Mobius(**case.input["params"][name])
        grid = mobius_grid(height, width, warp, pole.lower())
        rows, columns = (case.arrays[array][0, :, n].double() for n in (0, 1))
        row = (grid.v / height * 2 - 1).flatten().double()
        around = (grid.u / width * 2 - 1).flatten().double() - columns
        around = (around + 1) % 2 - 1
        yield case.compare(array, row, expected=rows, part="row")
        sideways = around * torch.cos(row * math.pi / 2)
        none = torch.zeros_like(around)
        yield case.compare(array, sideways, expected=none, part="column on the sphere")
        yield case.compare(array, around, expected=none, part="column")
        for maps in ("image", "depth"):
            if f"{maps}_{name}_{pole}" in case:
                warped = mobius_warp(case[maps], warp, pole=pole.lower())
                yield case.compare(f"{maps}_{name}_{pole}", warped)
    if "coord" in case:
        yield case.compare("coord", case["coord_id_Equator"])
    for name, source in case.input.get("random", {}).items():
        rng = Random(source["python_random_seed"])
        drawn = Mobius.random(rng, source["vertical_res"], source["zoom_res"])
        matrix = torch.tensor(drawn.matrix)
        yield case.compare(f"{name}_re", matrix.real)
        yield case.compare(f"{name}_im", matrix.imag)


@KINDS.add("points of a panorama", has("xyz", "depth", "rgb"))
def panorama_points(case: Case) -> Iterator[Comparison]:
    depth = case["depth"]
    points = optical_to_panda(Equirectangular(*depth.shape).unproject(depth))
    colours, mask = case["rgb"] / 255.0, case["mask"].bool()
    found = {"xyz": points, "colors": colours, "xyz_saver": points}
    for array, values in found.items():
        if array in case:
            yield case.compare(array, values.reshape(-1, 3))
        if f"{array}_masked" in case:
            yield case.compare(f"{array}_masked", values[mask])


@KINDS.add("Cassini", has("cassini_rgb"))
def cassini(case: Case) -> Iterator[Comparison]:
    rgb = cassini_to_equirectangular(case["cassini_rgb"].permute(2, 0, 1))
    yield case.compare("erp_rgb", rgb.permute(1, 2, 0))
    yield case.compare("erp_depth", cassini_to_equirectangular(case["cassini_depth"]))


@KINDS.add("cube map", has("cube_rgb", "erp_rgb"))
def cube_map(case: Case) -> Iterator[Comparison]:
    size = case.arrays["cube_rgb"].shape[0]
    rgb = equirectangular_to_cube(case["erp_rgb"].permute(2, 0, 1), size)
    yield case.compare("cube_rgb", rgb.permute(1, 2, 0))
    depth = equirectangular_to_cube(case["erp_depth"][..., 0], size, "nearest")
    yield case.compare("cube_depth", depth * cube_cosines(size))
    back = cube_to_equirectangular(case["cube_feat"], *case.arrays["erp_feat"].shape[-2:])
    yield case.compare("erp_feat", back)


@KINDS.add("data sets", lambda case: case.entry.get("kind") == "datasets")
def data_sets(case: Case) -> Iterator[Comparison]:
    for short in DATA_SETS:
        if f"{short}_eval_rgb" in case:
            with TemporaryDirectory() as folder:
                yield from _data_set(case, short, Path(folder))
    if "unlab_pseudo" in case:
        with TemporaryDirectory() as folder:
            yield from _pseudo_labels(case, Path(folder))


def _data_set(case: Case, short: str, root: Path) -> Iterator[Comparison]:
    name, options = DATA_SETS[short]
    picture, depth = (root / part for part in PANORAMAS[name].place("train", 1))
    for path in (picture, depth):
        path.parent.mkdir(parents=True, exist_ok=True)
    rgb = case["deep360_rgb" if name == "deep360" else "rgb"].numpy()
    write_image(picture.with_suffix(".png"), rgb)  # without the loss of a JPEG
    picture.with_suffix(".png").rename(picture)
    if name == "deep360":
        np.savez(depth, case["deep360_depth"].numpy())
    else:
        cv2.imwrite(str(depth), case[f"{short}_depth_png"].numpy())
    frames = FrameFiles([open_panoramas(name, root)])
    for tag in ("eval", "train"):
        rgb, range_m = frames.at((0,), case.options["height"])
        if tag == "train":
            rng = Random(case.input["python_random_seed"][f"{short}_train"])
            shift = torch.tensor([rng.randint(0, case.options["width"])])
            mirror = torch.tensor([rng.random() > 0.5])
            rgb, range_m = turn(rgb, shift, mirror), turn(range_m, shift, mirror)
        target, mask = make_target(range_m, DataRecipe("x", **options))
        # Stanford2D3D marks unknown range by 65535, which the original takes for far.
        known = range_m[0] > 0 if name == "stanford2d3d" else torch.ones_like(mask[0])
        yield case.compare(f"{short}_{tag}_rgb", normalise_rgb(rgb)[0])
        yield case.compare(f"{short}_{tag}_gt_depth", target[0], where=known)
        yield case.compare(f"{short}_{tag}_val_mask", mask[0])


def _pseudo_labels(case: Case, root: Path) -> Iterator[Comparison]:
    name = PANORAMA_IMAGES["360x"].place(0)
    (root / name).parent.mkdir(parents=True)
    write_image(root / "picture.png", case["unlab_rgb"].numpy())
    (root / "picture.png").rename(root / name)
    for folder, array in (("labels/360x_frames", "unlab_pseudo"), ("360x_masks", "unlab_sky")):
        path = (root / name.replace("360x_frames", folder)).with_suffix(".npy")
        path.parent.mkdir(parents=True)
        np.save(path, case[array].numpy())
    source = UnlabelledRecipe("360x", str(root), str(root / "labels"))
    rgb, label, mask = LabelledImages([source]).at((0,), case.options["height"])
    yield case.compare("unlab_eval_raw_rgb", normalise_rgb(rgb)[0])
    yield case.compare("unlab_eval_gt_depth", label[0])
    yield case.compare("unlab_eval_val_mask", mask[0])


@KINDS.add("student", lambda case: case.entry.get("kind") == "training")
def student_step(case: Case) -> Iterator[Comparison]:
    for tag, options in case.options["cases"].items():
        yield from _student_step(case, tag, options)


def _student_step(case: Case, tag: str, options: dict) -> Iterator[Comparison]:
    mobius = options["loss_weights"][3] if options["mobius"] else 0.0
    terms = tuple(
        losses.LossRecipe(term["type"], term["params"]["loss_weight"]) for term in options["loss"]
    )
    with TemporaryDirectory() as folder:
        path = save_official(case.state(), Path(folder) / "model.pth", "plain")
        unlabelled = "[{kind: zind, root: nowhere, labels: nowhere}]"
        recipe = load_recipe(
            "panda-student",
            [
                f"model={{name: {model_of(case)}, train: lora, checkpoint: {path}}}",
                "data.root=nowhere",
                f"data.unlabelled={unlabelled}",
            ],
        )
        recipe = replace(
            recipe, losses=terms, weights=Weights(*options["loss_weights"][:3], mobius)
        )
        training = StudentTraining(recipe, trainable_network(recipe))
    training.warp = lambda step: Mobius.random(Random(case.options["rng_seed"]))
    if options["mobius"]:
        matrix = torch.tensor(training.warp(0).matrix)
        yield case.compare(f"{tag}_M_re", matrix.real)
        yield case.compare(f"{tag}_M_im", matrix.imag)
    kinds = ("label_rgb", "label_gt_depth", "label_val_mask", "unlabel_raw_rgb",
             "unlabel_strong_rgb", "unlabel_gt_depth", "unlabel_val_mask")  # fmt: skip
    batch = StudentBatch(*(case[name] for name in kinds))
    with torch.no_grad():
        yield case.compare(f"{tag}_pred_unlabel", training.network(batch.raw))
    rectangles = iter((case["epnl_masks_label"], case["epnl_masks_pseudo"]))

    def fixed(target: Tensor, pred: Tensor, mask: Tensor, weight: float, rng: object) -> Tensor:
        return epnl(target, pred, mask, weight, next(rectangles))

    with mock.patch.object(losses, "epnl", fixed):
        loss = sum(training.losses(batch).values())
    yield case.compare(f"{tag}_loss", loss, part="with Moebius" if mobius else "")
    loss.backward()
    official = training.network.official_names()
    parameters = {official[n]: p for n, p in training.network.named_parameters()}
    trained = {name for name, p in parameters.items() if p.grad is not None}
    if trained != set(options["grad_norm_names"]):
        raise AssertionError(f"{tag}: other parameters have gradients than in the original")
    norms = [parameters[name].grad.norm() for name in options["grad_norm_names"]]
    yield case.compare(f"{tag}_grad_norms", torch.stack(norms))
    lora = parameters["core.pretrained.blocks.1.attn.qkv.linear_a_q.weight"]
    bias = parameters["core.depth_head.scratch.output_conv1.bias"]
    for parameter, name in ((lora, "lora"), (bias, "bias")):
        array = f"{tag}_grad_{name}"
        largest = case.arrays[array].abs().max()
        part = "of the largest"
        scaled = case.arrays[array] / largest
        yield case.compare(array, parameter.grad / largest, expected=scaled, part=part)
    training.configure_optimizers().step()
    yield case.compare(f"{tag}_bias_after_step", bias)
