"""Cases of Pixel-Perfect Depth; those of MoGe-2 are in moge.py."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from golden.cases import Case, Comparison
from golden.fill import fill_tensor, noise_image
from golden.kinds import Kinds, has
from published.video_windows import KEYFRAMES, joined_windows
from torch import Tensor, nn

from depth_perception.data.benchmarks import diode, diode_valid, kitti
from depth_perception.evaluation.pinhole import kitti_part
from depth_perception.evaluation.relative import aligned_metrics, relative_metrics
from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.geometry.outliers import outlier_mask
from depth_perception.geometry.rotations import optical_to_opengl
from depth_perception.io.colormaps import render_depth
from depth_perception.io.images import write_image
from depth_perception.layers import VitEncoder
from depth_perception.systems.ppd.blocks import rope_tables, rotate, time_sinusoids
from depth_perception.systems.ppd.flow import ends_of, euler_step, noised, sample, sampling_times
from depth_perception.systems.ppd.input import ppd_resize, ppd_size
from depth_perception.systems.ppd.network import PixelPerfectDepth
from depth_perception.systems.ppd.published_alignment import apply_ransac, fit_ransac
from depth_perception.systems.ppd.semantics import DepthAnythingSemantics
from depth_perception.systems.ppd.transformer import SpDit, SpDitConfig
from depth_perception.training.ppd.data import with_sky
from depth_perception.training.ppd.losses import (
    gradient_loss,
    gradient_losses,
    normalised_target,
    velocity_loss,
)

KINDS = Kinds()
METRICS = {"d0_5": "d0p5", "d1": "d1", "d2": "d2", "d3": "d3", "abs_rel": "abs_rel"}
# The published transformer, whose cases do not repeat it.
TINY = SpDitConfig(dim=64, depth=4, heads=4)


def constants(name: str) -> Tensor:
    """The buffers that every file of MoGe holds."""
    values = {"image_mean": (0.485, 0.456, 0.406), "image_std": (0.229, 0.224, 0.225)}
    return torch.tensor(values[name.rsplit(".", 1)[-1]]).reshape(1, 3, 1, 1)


def parameters(case: Case, prefix: str = "", left_out: Collection[str] = ()) -> dict[str, Tensor]:
    """The parameters of a case below a prefix, without it."""
    overrides, kept = case.entry.get("overrides", {}), case.entry.get("keep_constructor", ())
    return {
        name.removeprefix(prefix): constants(name)
        if name in kept
        else fill_tensor(name, shape, case.entry["fill_seed"]) * overrides.get(name, 1.0)
        for name, (shape, _) in case.manifest().items()
        if name.startswith(prefix) and name not in left_out
    }


def transformer_of(case: Case) -> SpDit:
    """The diffusion transformer of a case."""
    built = case.entry.get("constructor", {})
    built = built.get("dit", built)
    config = TINY
    if built:
        config = SpDitConfig(
            dim=built["hidden_size"], depth=built["depth"], heads=built["num_heads"]
        )
    network = SpDit(config).eval()
    network.load_state_dict(parameters(case, "dit."))
    return network.requires_grad_(False)


def encoder_of(case: Case, built: Mapping[str, int]) -> VitEncoder:
    """The Depth Anything encoder of a case."""
    depth = built["depth"]
    encoder = VitEncoder(built["embed_dim"], depth, built["heads"], (depth - 1,))
    encoder.load_state_dict(parameters(case, "pretrained."))
    return encoder.requires_grad_(False)


def network_of(case: Case) -> PixelPerfectDepth:
    """The whole system of a case."""
    encoder = encoder_of(case, case.entry["constructor"]["semantic_encoder"])
    return PixelPerfectDepth(transformer_of(case), DepthAnythingSemantics(encoder)).eval()


def noise_of(case: Case) -> Tensor:
    """The noise that the case starts from."""
    source = case.entry["noise"]
    stream = np.random.RandomState(zlib.crc32(source["text"].encode()))
    return torch.from_numpy(stream.standard_normal(source["shape"]).astype(np.float32))


@KINDS.add("transformer", has("in_x", "in_timestep", "out_velocity"))
def transformer(case: Case) -> Iterator[Comparison]:
    network, times = transformer_of(case), case["in_timestep"].int()
    half = len(network.blocks) // 2
    found: dict[str, Tensor] = {}
    blocks = network.blocks
    blocks[0].register_forward_pre_hook(lambda _, inputs: found.update(in_=inputs[0]))
    blocks[0].register_forward_hook(lambda *call: found.update(block0=call[-1]))
    blocks[half - 1].register_forward_hook(lambda *call: found.update(coarse=call[-1]))
    blocks[half].register_forward_pre_hook(lambda _, inputs: found.update(fused=inputs[0]))
    blocks[-1].register_forward_hook(lambda *call: found.update(fine=call[-1]))
    yield case.compare("out_velocity", network(case["in_x"], case["in_semantics"], times))
    for name, tokens in found.items():
        array = f"out_tokens_{name.rstrip('_')}"
        if array in case:
            yield case.compare(array, tokens)
    if "out_t_emb" in case:
        yield case.compare("out_t_emb", network.t_embedder(times))


@KINDS.add("sampler", has("in_noise", "out_velocities"))
def sampler(case: Case) -> Iterator[Comparison]:
    network = transformer_of(case)
    scene = network.scene(case["in_image"] - 0.5, case["in_semantics"])
    counts = {"out_depth": case.options["sampling_steps"]}
    counts |= {n: int(n.removeprefix("out_depth_steps")) for n in case.arrays if "_steps" in n}
    for array, steps in counts.items():
        times = sampling_times(steps)
        plans = [network.modulations(torch.tensor([time])) for time in times]
        velocities, latents = [], []

        def velocity(latent: Tensor, index: int, plans=plans, kept=velocities, was=latents):
            was.append(latent)
            kept.append(network.velocity(latent, scene, plans[index]))
            return kept[-1]

        depth = sample(velocity, case["in_noise"], times)
        yield case.compare(array, depth + 0.5)
        if array == "out_depth":
            yield case.compare("out_timesteps", list(times))
            yield case.compare("out_velocities", torch.stack(velocities))
            yield case.compare("out_latents", torch.stack((*latents[1:], depth)))


@KINDS.add("rotations", has("in_tokens", "out_rotated"))
def rotations(case: Case) -> Iterator[Comparison]:
    rows, columns = case.options["grid"]
    width = case["in_tokens"].shape[-1]
    tables = rope_tables(rows, columns, width)
    yield case.compare("out_rotated", rotate(case["in_tokens"], tables))
    yield case.compare("out_cos", tables.cos[:columns, width // 2 :])
    yield case.compare("out_sin", tables.sin[:columns, width // 2 :])


@KINDS.add("time-step embedding", has("in_t", "out_embedding"))
def time_embedding(case: Case) -> Iterator[Comparison]:
    found = time_sinusoids(case["in_t"])
    yield case.compare("out_embedding", found)


@KINDS.add("time-steps", has("out_steps0001"))
def time_steps(case: Case) -> Iterator[Comparison]:
    for array, expected in case.arrays.items():
        steps = int(array.removeprefix("out_steps"))
        # The original makes one too many for some counts; the first ones agree.
        yield case.compare(array, list(sampling_times(steps)), expected=expected[:steps])


@KINDS.add("line from noise to depth", has("in_x0", "in_xT", "out_x_next"))
def flow(case: Case) -> Iterator[Comparison]:
    clean, noise, times = (case[f"in_{name}"] for name in ("x0", "xT", "t"))
    latent, prediction = case.arrays["out_x_t"], case["in_pred"]
    yield case.compare("out_x_t", noised(clean, noise, times))
    yield case.compare("out_velocity_target", noise - clean)
    ends = ends_of(prediction, latent, times)
    for array, values in zip(("out_pred_x0", "out_pred_xT"), ends, strict=True):
        yield case.compare(array, values)
    following = [int(t) for t in case["out_next_t"]]
    steps = [
        euler_step(prediction[i], latent[i], int(times[i]), None if f < 0 else f)
        for i, f in enumerate(following)
    ]
    yield case.compare("out_x_next", torch.stack(steps))


@KINDS.add("semantics of Depth Anything", has("in_image", "out_network_input", "out_tokens_in"))
def depth_anything_semantics(case: Case) -> Iterator[Comparison]:
    encoder = encoder_of(case, case.entry["constructor"])
    semantics = DepthAnythingSemantics(encoder)
    network_input = semantics.network_input(case["in_image"])
    yield case.compare("out_network_input", network_input)
    yield case.compare("out_tokens_in", encoder.embed(network_input))
    yield case.compare("out_semantics", semantics(case["in_image"]))


@KINDS.add("position embedding", has("in_pos_embed"))
def position_embedding(case: Case) -> Iterator[Comparison]:
    stored = case["in_pos_embed"]
    encoder = VitEncoder(stored.shape[-1], 1, 1, (0,))
    encoder.pos_embed.data = stored
    for array, expected in case.arrays.items():
        if array.startswith("out_grid_"):
            grid = tuple(int(n) for n in array.removeprefix("out_grid_").split("x"))
            with torch.no_grad():
                embedding = encoder.position_embedding(grid)
            yield case.compare(array, embedding[0, :, : expected.shape[1]])


@KINDS.add("resizing", has("in_sizes", "out_resized_sizes"))
def resizing(case: Case) -> Iterator[Comparison]:
    width, height = case.options["target"]
    sizes = [ppd_size(int(h), int(w), width * height) for h, w in case["in_sizes"]]
    yield case.compare("out_resized_sizes", sizes)
    for name, text in case.input.items():
        numbers = text.split("noise_image(")[1].split(")")[0]
        rows, columns, seed = map(int, numbers.split(","))
        image = torch.from_numpy(noise_image(rows, columns, seed))
        resized = ppd_resize(image, ppd_size(rows, columns, width * height))
        yield case.compare(f"out_{name}_shape", list(resized.shape[:2]))
        yield case.compare(f"out_{name}_every16", resized[::16, ::16])
        yield case.compare(f"out_{name}_channel_mean", resized.float().mean((0, 1)))


@KINDS.add("inference", has("out_resized_rgb", "out_depth"))
def inference(case: Case) -> Iterator[Comparison]:
    network, noise, steps = network_of(case), noise_of(case), case.options["sampling_steps"]
    if "in_noise" in case:
        yield case.compare("in_noise", noise)
    width, height = case.options["target_area"]
    image = torch.from_numpy(case.image)
    size = ppd_size(*image.shape[:2], width * height)
    yield case.compare("out_resized_shape", list(size))
    pixels = ppd_resize(image, size)
    every = 8 if case.arrays["out_depth"].shape[0] < size[0] else 1
    yield case.compare("out_resized_rgb", pixels[::every, ::every])
    if every == 1:  # from the pixels of the original, which may differ by a grey level
        pixels = case["out_resized_rgb"]
    images = pixels.permute(2, 0, 1)[None].float() / 255
    if "out_semantics" in case:
        yield case.compare("out_semantics", network.semantics(images))
    depth = network(images, noise, steps)
    yield case.compare("out_depth", depth[0, 0, ::every, ::every])
    whole = nn.functional.interpolate(depth, image.shape[:2], mode="bilinear", align_corners=False)[
        0, 0
    ]
    yield case.compare("out_depth_original_size", whole[::every, ::every])
    if "out_visualisation" in case:
        shown = render_depth(whole.numpy(), colormap="Spectral")[..., ::-1]
        yield case.compare("out_visualisation", shown.copy())


@KINDS.add("alignment", has("in_pred", "in_metric", "out_slope_intercept"))
def alignment(case: Case) -> Iterator[Comparison]:
    values, depth, mask = case["in_pred"], case["in_metric"], case["in_mask"] > 0
    for seed in (0, 1):
        fit = fit_ransac(values, depth, mask, seed=seed)
        part = f"seed {seed}"
        aligned = apply_ransac(fit, values, depth, mask)
        yield case.compare("out_metric_depth", aligned, part=part)
        line = [fit.scale, fit.shift]
        yield case.compare("out_slope_intercept", line, part=part)
        yield case.compare("out_inlier_fraction", fit.inlier_ratio, part=part)


@KINDS.add("cloud", has("in_depth", "out_ply_points"))
def cloud(case: Case) -> Iterator[Comparison]:
    depth, mask, k = case["in_depth"], case["in_mask"] > 0, case["in_intrinsics"]
    fx, fy, cx, cy = (float(v) for v in (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
    # The original takes the principal point for a place between pixel centres at whole numbers.
    camera = Pinhole(*depth.shape, fx, fy, cx + 0.5, cy + 0.5)
    points = camera.unproject(depth, DepthKind.Z)[mask]
    yield case.compare("out_points", points)
    source = case.input["color"]
    image = noise_image(source["height"], source["width"], source["seed"])
    yield case.compare("out_colors", torch.from_numpy(image)[mask] / 255)
    kept = ~outlier_mask(points, case.options["nb_neighbors"], case.options["std_ratio"])
    yield case.compare("out_kept", kept)
    yield case.compare("out_ply_points", optical_to_opengl(points[kept]))


@KINDS.add("losses", has("in_prediction", "out_masked_mse"))
def losses(case: Case) -> Iterator[Comparison]:
    prediction, target, mask = case["in_prediction"], case["in_target"], case["in_mask"] > 0
    # The velocity loss of noise 0 compares with minus the target.
    loss = velocity_loss(prediction, torch.zeros_like(target), -target, mask)
    yield case.compare("out_masked_mse", loss)
    scales = torch.stack(gradient_losses(prediction, target, mask))
    yield case.compare("out_grad_scales", scales)
    yield case.compare("out_grad_total", gradient_loss(prediction, target, mask))


@KINDS.add("training targets", has("in_depth", "out_latent"))
def training_targets(case: Case) -> Iterator[Comparison]:
    yield case.compare("out_latent", normalised_target(case["in_depth"], case["in_mask"] > 0))


@KINDS.add("training step", has("out_loss_pretrain", "in_semantics"))
def training_step(case: Case) -> Iterator[Comparison]:
    network = transformer_of(case)
    image, mask, noise = (case[f"in_{name}"] for name in ("image", "mask", "noise"))
    mask, times = mask > 0, case["in_timesteps"]
    target = normalised_target(case["in_depth"], mask)
    latent = noised(target, noise, times)
    velocity = network(torch.cat((latent, image - 0.5), 1), case["in_semantics"], times)
    clean, _ = ends_of(velocity, latent, times)
    pretrain = velocity_loss(velocity, noise, target, mask)
    finetune = pretrain + 0.2 * gradient_loss(clean, target, mask)
    yield case.compare("out_loss_pretrain", pretrain)
    yield case.compare("out_loss_finetune", finetune)
    yield case.compare("out_depth", clean + 0.5)


@KINDS.add("metrics", has("in_gt", "out_d0p5"))
def metrics(case: Case) -> Iterator[Comparison]:
    found = relative_metrics(case["in_pred"], case["in_gt"], case["in_mask"] > 0)
    for ours, theirs in METRICS.items():
        yield case.compare(f"out_{theirs}", found[ours])


@KINDS.add("metrics of an image", has("in_gt", "out_relative_d0p5"))
def image_metrics(case: Case) -> Iterator[Comparison]:
    for seed in (0, 1):
        found = aligned_metrics(case["in_pred"], case["in_gt"], case["in_mask"] > 0, seed=seed)
        for ours, theirs in METRICS.items():
            yield case.compare(f"out_relative_{theirs}", found[ours], part=f"seed {seed}")


@KINDS.add("KITTI", has("out_valid_bbox"))
def kitti_benchmark(case: Case) -> Iterator[Comparison]:
    size = tuple(case.options["raw_shape"])
    samples = np.random.RandomState(5).randint(0, 23040, size)
    samples = samples * (np.random.RandomState(6).rand(*size) < 0.02)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        cv2.imwrite(str(root / "depth.png"), samples.astype(np.uint16))
        write_image(root / "image.png", np.zeros((*size, 3), np.uint8))
        (root / "list.txt").write_text("image.png depth.png 721.5\n")
        part = kitti_part(kitti(root)[0])
    depth, mask = part.ground_truth, part.mask
    yield case.compare("out_shape", list(depth.shape))
    yield case.compare("out_valid_count", mask.sum())
    v, u = mask.nonzero().T
    yield case.compare("out_valid_bbox", torch.stack((v.min(), v.max(), u.min(), u.max())))
    counted = torch.where(mask, depth, 0)
    yield case.compare("out_depth_sum", counted.double().sum())
    yield case.compare("out_depth_every7", counted[::7, ::7])


@KINDS.add("DIODE", lambda case: has("in_mask", "out_valid")(case) and case.name != "data-sky")
def diode_benchmark(case: Case) -> Iterator[Comparison]:
    raw = torch.where(case["in_depth"] == -1, torch.nan, case["in_depth"])
    mask = case["in_mask"]
    yield case.compare("out_valid", diode_valid(raw[..., 0], mask == 1))
    with TemporaryDirectory() as folder:
        root = Path(folder)
        write_image(root / "a.png", np.zeros((*mask.shape, 3), np.uint8))
        np.save(root / "a_depth.npy", raw.numpy())
        np.save(root / "a_depth_mask.npy", mask.numpy())
        yield case.compare("out_depth", diode(root)[0].depth_m)


@KINDS.add("sky", has("in_depth", "out_valid"))
def sky(case: Case) -> Iterator[Comparison]:
    raw = case["in_depth"]
    raw = torch.where(raw == -1, torch.nan, torch.where(raw == -2, torch.inf, raw))
    depth, valid = with_sky(raw)
    yield case.compare("out_depth", depth)
    yield case.compare("out_valid", valid)


@KINDS.add("windows of a video", has("in_window0"))
def video_windows(case: Case) -> Iterator[Comparison]:
    if tuple(case.options["keyframes"]) != KEYFRAMES:
        raise AssertionError(f"key frames {case.options['keyframes']}, ours are {KEYFRAMES}")
    count = sum(array.startswith("in_window") for array in case.arrays)
    windows = [case[f"in_window{number}"] for number in range(count)]
    yield case.compare("out_aligned", joined_windows(windows))
