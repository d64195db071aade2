"""Cases of the blind-spot VGG, of OmniDepth, and of the stereo data they learn from."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from golden.cases import Case, Comparison
from golden.evaluators import omnidepth_report, spiral
from golden.fill import noise_image
from golden.kinds import Kinds, has
from published.blindspot_published import (
    PORT,
    TENSORFLOW,
    CompatEquirectangular,
    CompatRectilinear,
    area_resized,
    scaled_disparity,
)
from published.corner_grid import clipped_weights, corner_points, longitude_weights
from published.losses import as_published, spherical_berhu
from torch import Tensor, nn

from depth_perception.data.kitti_raw import (
    KittiCalibration,
    KittiRaw,
    find_pairs,
    write_calibration,
)
from depth_perception.data.threed60 import Placement, View, Views, read_list, read_view, rolled
from depth_perception.evaluation.alignment import Alignment, align
from depth_perception.evaluation.nyu_kitti import crop_box
from depth_perception.evaluation.spherical import mean_squares, view_synthesis_metrics
from depth_perception.evaluation.stereo_metrics import EigenProtocol, metrics_2015
from depth_perception.geometry.projections import latitude_weights
from depth_perception.io.images import write_image
from depth_perception.systems import build_network, load_network
from depth_perception.systems.blindspot.disparity import merge_ramps, range_factor
from depth_perception.systems.blindspot.input import authors_view, lanczos_planes
from depth_perception.systems.blindspot.network import BlindSpotVgg
from depth_perception.systems.checkpoints import load_strictly
from depth_perception.systems.omnidepth.network import OmniDepth, RectNet, UResNet
from depth_perception.training.blindspot.data import recolored
from depth_perception.training.blindspot.photometric import (
    PhotometricOptions,
    smoothness,
    ssim_dissimilarity,
    stereo_loss,
)
from depth_perception.training.omnidepth.losses import (
    RECTNET_LOSS,
    MultiScaleOptions,
    gradient_size,
    multi_scale_loss,
    squared_error,
)

KINDS = Kinds()
NETWORKS = {"vgg": BlindSpotVgg, "rectnet": RectNet, "uresnet": UResNet}
VIEWS_3D60 = {Placement.CENTRE: "left_down", Placement.RIGHT: "right", Placement.UP: "up"}


def network_of(case: Case) -> BlindSpotVgg | OmniDepth:
    """The network with the parameters of a case."""
    with torch.device("meta"):
        network = NETWORKS[case.entry["variant"]]()
    network.to_empty(device="cpu")
    load_strictly(network, case.state(), network.official_names(), case.name)
    return network.requires_grad_(False).eval()


def batch_of(case: Case, seeds: str = "seed") -> Tensor:
    """Images of a case as (B, 3, H, W) float32 from 0 to 1."""
    return case.batch(seeds) / 255


def probe(name: str, values: Tensor, count: int) -> Tensor:
    """``count`` values of a parameter at the places where the references look."""
    rng = np.random.RandomState(zlib.crc32(f"probe:{name}".encode()))
    return values.flatten()[torch.from_numpy(rng.randint(0, values.numel(), count))]


@KINDS.add("VGG", has("out_disp_s0", "out_disp_s3"))
def vgg(case: Case) -> Iterator[Comparison]:
    linear = case.options["finest_scale_head"].startswith("linear")
    network, circular = network_of(case), case.options["ring_pad"]
    for scale, values in enumerate(network(batch_of(case), circular=circular, linear=linear)):
        yield case.compare(f"out_disp_s{scale}", values)


@KINDS.add("VGG evaluation", has("out_disp_mean"))
def vgg_evaluation(case: Case) -> Iterator[Comparison]:
    options, pixels, network = case.options, torch.from_numpy(case.image), network_of(case)
    height, width = pixels.shape[:2]
    view = authors_view(height, width, (options["input_height"], options["input_width"]), 128)
    planes = view.fill(lanczos_planes(pixels, view))
    planes = torch.cat((planes, planes.flip(-1)))
    yield case.compare("in_network_input", planes)
    disparities = network(planes, circular=options["ring_pad"])[0][:, 0]
    yield case.compare("out_disp_s0_left", disparities)
    mean = 0.5 * (disparities[0] + disparities[1].flip(-1))
    yield case.compare("out_disp_mean", mean)
    full = nn.functional.interpolate(
        view.restore(mean[None, None]), (height, width), mode="bilinear"
    )[0, 0]
    turns = {"network_turn_px": view.columns, "image_turn_px": width}
    turns["baseline_m"] = options["stereo_baseline"]
    yield case.compare("out_scaled_disp", scaled_disparity(full, **turns))
    yield case.compare("out_depth", range_factor("authors", **turns) / full)


@KINDS.add("VGG files", lambda case: case.input.get("kind") == "raw_numpy_weights")
def vgg_files(case: Case) -> Iterator[Comparison]:
    files = json.loads(case.file("numpy_weight_map.json").read_text(encoding="utf-8"))
    with TemporaryDirectory() as folder:
        for file, entry in files.items():
            key = f"{case.input['seed']}:{file}"
            values = np.random.RandomState(zlib.crc32(key.encode()))
            values = values.standard_normal(entry["raw_shape"]).astype(np.float32)
            np.save(Path(folder) / file, values)
        network = load_network("blindspot-vgg", folder)
    names = network.official_names()
    for name, values in network.state_dict().items():
        yield case.compare(f"probe_{names[name]}", probe(names[name], values, 16))
        values = values.double()
        yield case.compare(f"sum_{names[name]}", torch.stack((values.sum(), values.abs().sum())))


def _image_and_disparity(case: Case) -> tuple[Tensor, Tensor]:
    image = case["in_image_nhwc"].permute(0, 3, 1, 2)
    return image, case["in_disparity_nhw1"].permute(0, 3, 1, 2)


@KINDS.add("equirectangular sampler", lambda case: case.entry["variant"] == "erp_sampler")
def equirectangular_sampler(case: Case) -> Iterator[Comparison]:
    image, disparity = _image_and_disparity(case)
    fov, border = math.radians(case.options["fov_degrees"]), case.options["wrap_mode"]
    for side in ("left", "right"):
        pair = CompatEquirectangular(side == "left", border, fov)
        x, y = pair.positions(disparity)
        yield case.compare(f"out_{side}_x", x)
        yield case.compare(f"out_{side}_y", y)
        clear = case[f"out_{side}_row_in_range"].bool() & ((y - y.round()).abs() > 1e-4)
        warped = pair.warp(image, disparity).image.permute(0, 2, 3, 1)
        yield case.compare(f"out_{side}", warped, where=clear)


@KINDS.add("rectilinear sampler", lambda case: case.entry["variant"] == "rectilinear_sampler")
def rectilinear_sampler(case: Case) -> Iterator[Comparison]:
    image, disparity = _image_and_disparity(case)
    for side in ("left", "right"):
        pair = CompatRectilinear(side == "left", case.options["wrap_mode"])
        warped = pair.warp(image, disparity).image
        yield case.compare(f"out_{side}", warped.permute(0, 2, 3, 1))


def _pair(case: Case) -> tuple[Tensor, Tensor, list[Tensor]]:
    disparities = [case[f"in_disp_s{scale}"].clone().requires_grad_() for scale in range(4)]
    return case["in_left"], case["in_right"], disparities


def _sides(case: Case, loss, prefix: str) -> Iterator[Comparison]:
    """The terms of a stereo loss, by side."""
    halves = 0.5 ** torch.arange(4)
    for name, side in (("left", loss.left), ("right", loss.right)):
        yield case.compare(f"{prefix}l1_{name}", side.l1)
        yield case.compare(f"{prefix}ssim_{name}", side.ssim)
        yield case.compare(f"{prefix}smooth_{name}", side.smoothness * halves)
        yield case.compare(f"{prefix}lr_{name}", side.consistency)


@KINDS.add("photometric losses", has("out_total_left_only"))
def photometric(case: Case) -> Iterator[Comparison]:
    left, right, disparities = _pair(case)
    loss = stereo_loss(left, right, disparities, CompatRectilinear(), PORT)
    yield from _sides(case, loss, "out_")
    yield case.compare("out_total_left_only", loss.total)
    options = PhotometricOptions(
        pyramid="nearest",
        ssim_border="cut",
        gradient_border="repeat",
        masked=False,
        solid_angle=False,
    )
    total = stereo_loss(left, right, disparities, CompatRectilinear(), options).total
    yield case.compare("out_total_both", total)
    total.backward()
    for scale, disparity in enumerate(disparities):
        yield case.compare(f"out_grad_both_s{scale}", disparity.grad)
    disparity = [d.detach()[:, :1] for d in disparities]
    estimate = CompatRectilinear().warp(right, disparity[0]).image
    yield case.compare("out_left_est_s0", estimate)
    yield case.compare("out_ssim_map_left_s0", ssim_dissimilarity(estimate, left))
    yield case.compare("out_left_pyramid_s2", left[..., ::4, ::4])
    yield case.compare(
        "out_smooth_map_left_s1", sum(smoothness(disparity[1], left[..., ::2, ::2], "repeat"))
    )


@KINDS.add("photometric losses of TensorFlow", has("out_erp_total", "out_rect_total"))
def photometric_tensorflow(case: Case) -> Iterator[Comparison]:
    name = "photometric-losses"
    if "golden-" in case.input.get("kind", ""):
        name = case.input["kind"].split("golden-")[1].split(".npz")[0]
    left, right, disparities = _pair(case.sibling(name))
    samplers = {"rect": CompatRectilinear(), "erp": CompatEquirectangular(fov=math.radians(82.5))}
    for sampler, pair in samplers.items():
        loss = stereo_loss(left, right, disparities, pair, TENSORFLOW)
        yield from _sides(case, loss, f"out_{sampler}_")
        yield case.compare(f"out_{sampler}_total", loss.total)
    for scale in (1, 2, 3):
        smaller = nn.functional.interpolate(left, scale_factor=0.5**scale, mode="area")
        yield case.compare(f"out_left_pyramid_area_s{scale}", smaller)


@KINDS.add("merging", has("out_monodepth_blend"))
def merging(case: Case) -> Iterator[Comparison]:
    plain, mirrored = case["in_disp"]
    yield case.compare("out_panoramic", (plain + mirrored.flip(-1)) / 2)
    yield case.compare("out_monodepth_blend", merge_ramps(plain, mirrored.flip(-1)))


def _step(
    case: Case, model: str, optimizer: Callable, loss: Callable[[nn.Module], Tensor]
) -> Iterator[Comparison]:
    """Loss, norms of gradients, and parameters after one step."""
    network, state = build_network(model).train(), case.state()
    names = network.official_names()
    network.load_state_dict({ours: state[theirs] for ours, theirs in names.items()})
    value, step = loss(network), optimizer(network)
    yield case.compare("out_loss", value)
    value.backward()
    parameters = {names[name]: p for name, p in network.named_parameters()}
    for name, parameter in parameters.items():
        yield case.compare(f"gradnorm_{name}", parameter.grad.norm())
    step.step()
    for name, parameter in parameters.items():
        yield case.compare(f"after_{name}", probe(name, parameter.detach(), 4))


@KINDS.add("VGG training", lambda case: case.entry["variant"] == "vgg" and "out_loss" in case)
def vgg_training(case: Case) -> Iterator[Comparison]:
    def optimizer(network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(network.parameters(), 1e-4, betas=(0.5, 0.999), eps=1e-8)

    def loss(network: nn.Module) -> Tensor:
        left, right = batch_of(case, "seeds_left"), batch_of(case, "seeds_right")
        disparities = network(left, circular=case.options["ring_pad"])
        return stereo_loss(left, right, disparities, CompatRectilinear(), PORT).total

    yield from _step(case, "blindspot-vgg", optimizer, loss)


@KINDS.add("OmniDepth training", has("out_loss", "in_gt", "in_mask"))
def omnidepth_training(case: Case) -> Iterator[Comparison]:
    def optimizer(network: nn.Module) -> torch.optim.Optimizer:
        named = list(network.named_parameters())
        biases = [p for name, p in named if name.endswith("bias")]
        weights = [p for name, p in named if not name.endswith("bias")]
        return torch.optim.Adam([{"params": weights}, {"params": biases, "lr": 4e-4}], 2e-4)

    def loss(network: nn.Module) -> Tensor:
        terms = MultiScaleOptions(tuple(case.options["alpha"]), tuple(case.options["beta"]))
        target, mask = case["in_gt"], case["in_mask"].bool()
        predictions = network(batch_of(case, "seeds"))
        return multi_scale_loss(predictions, target, mask, as_published(terms))

    yield from _step(case, f"omnidepth-{case.entry['variant']}", optimizer, loss)


@KINDS.add("OmniDepth", has("out_pred_1x"), lambda case: case.input["height"] > 128)
def omnidepth(case: Case) -> Iterator[Comparison]:
    for scale, values in enumerate(network_of(case)(batch_of(case))):
        yield case.compare(f"out_pred_{2**scale}x", values)


@KINDS.add("OmniDepth losses", has("out_total_rectnet"))
def omnidepth_losses(case: Case) -> Iterator[Comparison]:
    target, mask = case["in_gt"], case["in_mask"].bool()
    for name, weights in case.options["alpha_beta"].items():
        options = MultiScaleOptions(*map(tuple, weights))
        scales = (1, 2, 4)[: len(options.error)]
        predictions = [case[f"in_pred_{n}x"].clone().requires_grad_() for n in scales]
        total = multi_scale_loss(predictions, target, mask, as_published(options))
        yield case.compare(f"out_total_{name}", total)
        total.backward()
        for n, prediction in zip(scales, predictions, strict=True):
            yield case.compare(f"out_grad_{name}_{n}x", prediction.grad)
    published = as_published(RECTNET_LOSS)
    masked = replace(published, masked=True)
    found: dict[str, list[Tensor]] = {"l2": [], "gradient": [], "masked_l2_fixed": []}
    for n in (1, 2, 4):
        truth, known = target[..., ::n, ::n], mask[..., ::n, ::n]
        if n > 1:
            yield case.compare(f"out_gt_{n}x", truth)
            yield case.compare(f"out_mask_{n}x", known)
        prediction = case[f"in_pred_{n}x"]
        found["l2"].append(squared_error(truth, prediction, known, published))
        found["gradient"].append(gradient_size(prediction, known, published))
        found["masked_l2_fixed"].append(squared_error(truth, prediction, known, masked))
    for name, values in found.items():
        yield case.compare(f"out_{name}", torch.stack(values))


@KINDS.add("OmniDepth metrics", has("out_per_image_raw"))
def omnidepth_numbers(case: Case) -> Iterator[Comparison]:
    target, pred, mask = case["in_gt"], case["in_pred"], case["in_mask"].bool()
    images = list(zip(target, pred, mask, strict=True))
    yield case.compare("out_raw", mean_squares(target[mask], pred[mask]))
    yield case.compare("out_per_image_raw", [mean_squares(t[m], p[m]) for t, p, m in images])
    report = omnidepth_report(target, pred, mask)
    yield case.compare("out_report", [*report.values()])
    aligned = align(target, pred, mask, Alignment.MEDIAN)
    yield case.compare("out_median_scale", (aligned / pred)[:, 0, 0, 0])


@KINDS.add("weights of the sphere", has("out_theta_weight"))
def sphere_weights(case: Case) -> Iterator[Comparison]:
    width = case["in_gt"].shape[-1]
    latitude, longitude = latitude_weights(width), longitude_weights(width)
    yield case.compare("out_theta_weight", latitude)
    yield case.compare("out_phi_weight", longitude)
    yield case.compare("out_spherical_weight", latitude * longitude)
    clipped = clipped_weights(latitude * longitude, 0.2, 0.9)
    yield case.compare("out_spherical_weight_thr", clipped)
    yield case.compare("out_points", corner_points(case["in_gt"]))
    maps = case["in_gt"], case["in_pred"], case["in_mask"].bool()
    yield case.compare("out_berhu", spherical_berhu(*maps, latitude, as_published=True))


@KINDS.add("metrics of the sphere", has("out_spiral_mask"))
def sphere_metrics(case: Case) -> Iterator[Comparison]:
    height, width = case["in_gt"].shape[-2:]
    weights = latitude_weights(width)
    sampled = spiral(height, width, case.options["sampling_fraction"])
    yield case.compare("out_spiral_mask", sampled)
    ways = {
        "out_plain": {},
        "out_weighted": {"weights": weights},
        "out_weighted_sampled": {"weights": weights, "sampled": sampled},
        "out_median": {"median": True},
    }
    maps = [case[f"in_{name}"][:, 0] for name in ("gt", "pred", "invalid")]
    for array, options in ways.items():
        rows = [
            [*view_synthesis_metrics(target, pred, invalid == 0, **options).values()]
            for target, pred, invalid in zip(*maps, strict=True)
        ]
        yield case.compare(array, rows)


def _calibration(case: Case) -> KittiCalibration:
    names = ("P2", "P3", "R_rect", "velo_R", "velo_T")
    return KittiCalibration(*(case[f"in_{name}"].double().numpy() for name in names))


def _seven(metrics) -> list[float]:
    names = ("abs_rel", "sq_rel", "rmse", "rmse_log", "d1", "d2", "d3")
    return [metrics[name] for name in names]


@KINDS.add("KITTI metrics", has("out_errors_garg"))
def kitti_metrics(case: Case) -> Iterator[Comparison]:
    size = case["in_gt_depth"].shape
    for crop in ("none", "garg", "eigen"):
        metrics = EigenProtocol(crop=crop).metrics(case["in_pred_depth"], case["in_gt_depth"])
        yield case.compare(f"out_errors_{crop}", _seven(metrics))
        if crop != "none":
            yield case.compare(f"out_crop_{crop}", crop_box(crop, *size))
    metrics = metrics_2015(case["in_s15_pred_disp"], case["in_s15_gt_disp"])
    yield case.compare("out_s15_d1_all", metrics["d1_all"])
    yield case.compare("out_s15_errors", _seven(metrics))
    calibration, points = _calibration(case), case["in_velodyne"].numpy()
    yield case.compare("out_velo_depth", calibration.depth(points, *size))
    yield case.compare("out_cam_depth", calibration.depth(points, *size, of_camera=True))
    yield case.compare("out_focal_baseline", (calibration.focal_px, calibration.baseline_m))


@KINDS.add("KITTI loader", has("out_left_seed"))
def kitti_loader(case: Case) -> Iterator[Comparison]:
    with TemporaryDirectory() as folder:
        root, seeds = Path(folder), {}
        for name, seed in case.input["files"].items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            seeds[path] = seed
            write_image(path, noise_image(case.input["height"], case.input["width"], seed))
        for day in root.iterdir():
            write_calibration(day, _calibration(case.sibling("kitti-metrics")))
            (day / "calib_imu_to_velo.txt").write_text("R: 1\n")
        pairs = find_pairs(root)
        frame = KittiRaw(pairs, size=tuple(case.arrays["out_left_0"].shape[1:]))[0]
    for side in ("left", "right"):
        yield case.compare(f"out_{side}_seed", [seeds[getattr(pair, side)] for pair in pairs])
        yield case.compare(f"out_{side}_0", getattr(frame, side).float() / 255)


@KINDS.add("3D60 rotation", has("out_normal_port"))
def rotation_3d60(case: Case) -> Iterator[Comparison]:
    color, normals = case["in_color"], case["in_normal"].flip(0)  # stored as B, G, R
    view = rolled(View(color, color[0], normals), case.options["idx"])
    yield case.compare("out_color", view.rgb)
    yield case.compare("out_normal", view.normals.flip(0))
    axes = torch.eye(3).flip(1)[:, :, None, None].expand(3, 3, 1, color.shape[-1])
    turned = [rolled(View(color, color[0], n), case.options["idx"]).normals[:, 0, 0] for n in axes]
    yield case.compare("out_matrix", torch.stack(turned).flip(1))


@KINDS.add("3D60 loader", lambda case: case.entry["variant"] == "3d60_loader")
def loader_3d60(case: Case) -> Iterator[Comparison]:
    listing, root = case.file(case.input["split"].split()[0]), case.file("fixture-3d60")
    for number, place in enumerate(read_list(listing, root, case.input["dataset_order"])):
        for placement, files in place.views.items():
            view = read_view(files, max_range_m=math.inf, normals=True)
            key = f"out_{number}_{VIEWS_3D60[placement]}"
            yield case.compare(f"{key}_color_cv2", view.rgb.float() / 255)
            yield case.compare(f"{key}_depth_R", view.range_m[None])
            yield case.compare(f"{key}_normal_cv2", view.normals.flip(0))
    reader = Views(read_list(case.file(case.input["omni_list"].split()[0]), root))
    for number in range(len(reader)):
        view = reader[number]
        yield case.compare(f"out_omni_{number}_rgb", view.rgb.float() / 255)
        yield case.compare(f"out_omni_{number}_depth", view.range_m[None])
        yield case.compare(f"out_omni_{number}_mask", view.range_m > 0)


@KINDS.add("stereo augmentation", has("in_gamma", "out_area_resize"))
def stereo_augmentation(case: Case) -> Iterator[Comparison]:
    gamma, brightness = (float(case[f"in_{name}"]) for name in ("gamma", "brightness"))
    channels = case["in_color"].tolist()
    for side in ("left", "right"):
        image = batch_of(case, f"seed_{side}")[0]
        yield case.compare(f"out_aug_{side}", recolored(image, gamma, brightness, channels))
    size = case.arrays["out_area_resize"].shape[1:]
    left = batch_of(case, "seed_left")[0]
    yield case.compare("out_area_resize", area_resized(left, *size))
