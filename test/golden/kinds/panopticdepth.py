"""Cases of PanopticDepth and of panoptic scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from golden.cases import Case, Comparison
from golden.kinds import Kinds, has
from torch import Tensor, nn

from depth_perception.systems.panopticdepth.config import (
    PANOPTICDEPTH,
    PANOPTICDEPTH_SEG,
    PANOPTICDEPTH_TINY,
    PanopticDepthConfig,
    PanopticLimits,
)
from depth_perception.systems.panopticdepth.deform_conv import modulated_conv
from depth_perception.systems.panopticdepth.input import panoptic_input
from depth_perception.systems.panopticdepth.kernels import (
    mask_logits,
    segment_kernels,
    stuff_candidates,
    thing_candidates,
)
from depth_perception.systems.panopticdepth.maps import PanopticMap, View, plain_map
from depth_perception.systems.panopticdepth.network import (
    PanopticDepth,
    PanopticFeatures,
    depth_shift,
    generated_depth,
)
from depth_perception.training.panopticdepth.losses import (
    PanopticLosses,
    batch_targets,
    depth_loss,
    dice_loss,
    focal,
    guided_positions,
    panoptic_losses,
)
from depth_perception.training.panopticdepth.targets import (
    GroundTruth,
    PanopticTargets,
    panoptic_targets,
)
from depth_perception.training.recipe import Clock, Poly

KINDS = Kinds()
LIMITS = PanopticLimits()
LEVELS = 5
THINGS = range(11, 19)
CONFIGS = {
    "tiny-dps": PANOPTICDEPTH_TINY,
    "tiny-ps": dataclasses.replace(PANOPTICDEPTH_TINY, depth=False),
    "dps-r50": PANOPTICDEPTH,
    "ps-r50": PANOPTICDEPTH_SEG,
    "ps-r50-stage1": PanopticDepthConfig(depth=False, norm="batch"),
}
LOSSES = {
    "thing_position": "loss_pos_th",
    "stuff_position": "loss_pos_st",
    "thing_masks": "loss_seg_th",
    "stuff_masks": "loss_seg_st",
    "thing_depth": "loss_depth_ins",
    "depth": "loss_depth",
}
# Steps and learning rate of the schedules.
SCHEDULES = {
    "ps-r50-stage1": (130_000, 1e-4),
    "ps-r50": (10_000, 1e-5),
    "dps-r50": (10_000, 1e-4),
}


def unpacked(packed: Tensor, width: int) -> Tensor:
    """Masks (..., H, width) bool of bits packed along the last axis."""
    return torch.from_numpy(np.unpackbits(packed.numpy(), axis=-1)[..., :width].astype(bool))


def network_of(case: Case, variant: str | None = None) -> PanopticDepth:
    """The network of a case with the parameters that the original had."""
    variant = variant or case.entry["variant"]
    with torch.device("meta"):
        network = PanopticDepth(CONFIGS[variant])
    network.to_empty(device="cpu")
    names, state = network.official_names(), case.state(case.manifest(variant))
    if set(names.values()) != set(state):
        raise AssertionError("names of the parameters differ from the manifest")
    network.load_state_dict({ours: state[official] for ours, official in names.items()})
    return network.eval()


def image_of(case: Case) -> Tensor:
    """The image of a case as the input of the network."""
    return panoptic_input(torch.from_numpy(case.image))


@KINDS.add("network", has("encode_feat", "center_0", "p3"))
def network(case: Case) -> Iterator[Comparison]:
    network, images = network_of(case), image_of(case)
    with torch.inference_mode():
        features = network(images)
        levels = network.levels(images)
        found = {"input_tensor": images, "encode_feat": features.masks}
        if "semantic_fpn" in case:
            found["semantic_fpn"] = network.semantic(levels[:4])
    found |= {f"p{index + 2}": level for index, level in enumerate(levels)}
    for name, maps in (
        ("center", features.things),
        ("region", features.stuff),
        ("weight", features.kernels),
        ("depth_kernel", features.depth_kernels),
    ):
        found |= {f"{name}_{index}": value for index, value in enumerate(maps)}
    if features.depths is not None:
        found["encode_depth"] = features.depths
    for array in case.arrays:
        yield case.compare(array, found[array])


def _map(case: Case, found: PanopticMap, prefix: str = "", depth: str = "depth"):
    """Integer maps, and depth where they agree."""
    expected = case[f"{prefix}panoptic_id"], case[f"{prefix}semantic"]
    same = (found.ids == expected[0]) & (found.classes == expected[1])
    yield case.compare(f"{prefix}panoptic_id", found.ids)
    yield case.compare(f"{prefix}semantic", found.classes)
    if f"{prefix}panoptic_seg" in case:
        joint = torch.where(found.ids < 0, -1, found.classes * 1000 + found.ids)
        yield case.compare(f"{prefix}panoptic_seg", joint)
    if found.depth is not None:
        yield case.compare(f"{prefix}{depth}", found.depth, where=same)
    numbers = {segment.id for segment in found.segments}
    if numbers != set(found.ids.unique().tolist()) - {-1}:
        raise AssertionError(f"segments {numbers} are not those of the map")
    for segment in found.segments:
        if (found.classes[found.ids == segment.id] != segment.class_id).any():
            raise AssertionError(f"segment {segment.id} has several classes")


def _segments(case: Case, things, stuff, result, prefix: str = "") -> Iterator[Comparison]:
    """Classes, scores, kernels and instances after the fusion."""
    for name, segments in (("fused", things), ("stuff", stuff)):
        yield case.compare(f"{prefix}{name}_class", segments.classes)
        yield case.compare(f"{prefix}{name}_score", segments.scores)
    for name, segments in (("thing", things), ("stuff", stuff)):
        if f"{prefix}{name}_depth_kernel" in case:
            yield case.compare(f"{prefix}{name}_depth_kernel", segments.depth_kernels)
    yield case.compare(f"{prefix}inst_scores", result.things.scores)
    yield case.compare(f"{prefix}inst_classes", result.things.classes)
    array = f"{prefix}inst_masks_packed"
    masks = unpacked(case[array], result.masks.shape[-1])
    yield case.compare(array, result.masks, expected=masks)
    boxes = case[f"{prefix}inst_boxes"]
    wrong = (result.boxes - boxes).abs().amax(1)
    none = torch.zeros_like(wrong)
    yield case.compare(f"{prefix}inst_boxes", wrong, expected=none, part="largest error of a box")


@KINDS.add("inference", has("panoptic_id", "cand_class"))
def inference(case: Case) -> Iterator[Comparison]:
    network, source = network_of(case), case.input
    output = (source["output_height"], source["output_width"])
    with torch.inference_mode():
        features = network(image_of(case))
        view = View((source["height"], source["width"]), output, crop_depth=False)
        candidates = thing_candidates(features, LIMITS)
        things, stuff = segment_kernels(network, features, LIMITS)
        result = plain_map(things, stuff, features, view, network.config, LIMITS)
        yield case.compare("cand_class", candidates.classes)
        yield case.compare("cand_score", candidates.scores)
        yield from _segments(case, things, stuff, result)
        yield from _map(case, result.map)
        if "sem_seg" in case:
            yield case.compare("sem_seg", result.semantic)
        if features.depths is not None:
            view = dataclasses.replace(view, crop_depth=True)
            cropped = plain_map(things, stuff, features, view, network.config, LIMITS).map
            yield from _map(case, cropped, depth="depth_if_cropped")


def levels_of(case: Case, kind: str) -> tuple[Tensor, ...]:
    """Stored maps of all levels."""
    return tuple(case[f"in_{kind}_{level}"] for level in range(LEVELS))


def features_of(case: Case, *, depth: bool = True, minus: float = 0.0) -> PanopticFeatures:
    """The stored features of a case; ``minus`` lowers all logits of things."""
    return PanopticFeatures(
        things=tuple(level - minus for level in levels_of(case, "center")),
        stuff=levels_of(case, "region"),
        kernels=levels_of(case, "weight"),
        depth_kernels=levels_of(case, "depth_kernel") if depth else (),
        masks=case["in_encode_feat"],
        depths=case["in_encode_depth"] if depth else None,
    )


def embeddings_of(case: Case) -> PanopticDepth:
    """A network of which only the two embeddings matter, those of the case."""
    network = PanopticDepth(PANOPTICDEPTH_TINY)
    with torch.no_grad():
        for name in ("thing", "stuff"):
            layer = getattr(network, f"{name}_embedding")
            layer.weight.copy_(case[f"in_{name}_embed_weight"])
            layer.bias.copy_(case[f"in_{name}_embed_bias"])
    return network.requires_grad_(False)


@KINDS.add("post-processing", has("in_encode_feat", "dps_full.panoptic_id"))
def post_processing(case: Case) -> Iterator[Comparison]:
    network = embeddings_of(case)
    for tag, text in case.options.items():
        numbers = text if "x" in text.split(",")[0] else case.options[text.split()[1].rstrip(",")]
        image, output = (
            tuple(map(int, part.split()[1].split("x"))) for part in numbers.split(",")[:2]
        )
        features = features_of(
            case, depth=tag.startswith("dps"), minus=20 if "nothing" in tag else 0
        )
        view = View(image, output, crop_depth=False)
        things, stuff = segment_kernels(network, features, LIMITS)
        result = plain_map(things, stuff, features, view, network.config, LIMITS)
        yield from _map(case, result.map, f"{tag}.")
        if "nothing" in tag:
            yield case.compare(f"{tag}.n_instances", len(result.masks))
            continue
        for name, found in (("cand", thing_candidates), ("stuff_cand", stuff_candidates)):
            candidates = found(features, LIMITS)
            yield case.compare(f"{tag}.{name}_class", candidates.classes)
            yield case.compare(f"{tag}.{name}_score", candidates.scores)
        yield from _segments(case, things, stuff, result, f"{tag}.")
        for name, segments in (("fused", things), ("stuff", stuff)):
            if f"{tag}.{name}_mask_logits" in case:
                logits = mask_logits(segments, features)
                yield case.compare(f"{tag}.{name}_mask_logits", logits)
        yield case.compare(f"{tag}.sem_seg_argmax", result.semantic.argmax(0))
        yield case.compare(f"{tag}.sem_seg_max", result.semantic.amax(0))


@KINDS.add("single losses", has("in_focal_logits", "dcn"))
def single_losses(case: Case) -> Iterator[Comparison]:
    found = focal(case["in_focal_logits"], case["in_focal_target"])
    by_class = found.flatten(2).mean(2)
    for name, values in (("focal_thing", found), ("focal_stuff", by_class)):
        yield from _reduced(case, name, values)
        yield case.compare(f"{name}_mean", values.mean())
    used = case["in_dice_index"].bool()
    target = case["in_dice_target"].flatten(0, 1)[used]
    positives = case["in_dice_weight"].shape[-1]
    pred = case["in_dice_pred"].unflatten(1, (-1, positives)).flatten(0, 1)[used]
    dice = dice_loss(pred.flatten(0, 1), target.repeat_interleave(positives, 0))
    weight = case["in_dice_weight"].flatten(0, 1)[used]
    share = weight / weight.sum(1, keepdim=True).clamp_min(1e-8)
    yield from _reduced(case, "dice_thing", dice.reshape(-1, positives) * share)
    stuff = dice_loss(case["in_dice_stuff_pred"].flatten(0, 1)[used], target)
    yield from _reduced(case, "dice_stuff", stuff)
    vectors, embedding = case["in_map_kernel"].flatten(0, 2), case["in_map_embed"][0]
    maps = case.arrays["depth_map"].shape
    yield case.compare("depth_map", generated_depth(vectors, embedding).reshape(maps))
    yield case.compare("depth_map_mean", depth_shift(vectors).reshape(*maps[:3], 1, 1))
    mask, pred, truth = (case[f"in_depth_{name}"] for name in ("mask", "pred", "gt"))
    mask = mask.bool()
    yield case.compare("depth_loss_flat", depth_loss(pred[mask], truth[mask]))
    each = [depth_loss(p[m], t[m]) for p, t, m in zip(pred, truth, mask, strict=True)]
    yield case.compare("depth_loss_per_image_mean", torch.stack(each).mean())
    names = {"x": "x", "offsets": "offset", "weights": "mask", "kernel": "weight", "bias": "bias"}
    inputs = {ours: case[f"in_dcn_{theirs}"] for ours, theirs in names.items()}
    for fused in (True, False):
        values = modulated_conv(**inputs, fused=fused)
        yield case.compare("dcn", values, part="" if fused else "plain PyTorch")


def _reduced(case: Case, name: str, values: Tensor) -> Iterator[Comparison]:
    yield case.compare(f"{name}_none", values)
    yield case.compare(f"{name}_sum", values.sum())


def truth_of(case: Case) -> GroundTruth:
    """The stored ground truth of a case."""
    return GroundTruth(
        case["in_sem_seg"],
        unpacked(case["in_masks_packed"], case["in_sem_seg"].shape[1]),
        case["in_classes"].long(),
        case["in_boxes"],
        case["in_depth"],
    )


def targets_of(case: Case) -> PanopticTargets:
    """What the network is to learn from the ground truth of a case."""
    return panoptic_targets(
        truth_of(case),
        size=tuple(case.input["image"]),
        mask_size=tuple(case.options["inst_shape"]),
        level_sizes=[tuple(size) for size in case.options["feature_shapes"]],
        things=8,
        classes=19,
    )


@KINDS.add("targets", has("in_sem_seg", "inst_0"))
def targets(case: Case) -> Iterator[Comparison]:
    targets, slots = targets_of(case), case.options["TENSOR_DIM"]
    yield case.compare("depth", targets.depth_m)
    for number, level in enumerate(targets.levels):
        yield case.compare(f"center_{number}", level.centres)
        yield case.compare(f"sem_scores_{number}", level.stuff)
        used = torch.zeros(1, slots, dtype=torch.bool)
        used[0, : len(level.objects)] = True
        yield case.compare(f"index_mask_{number}", used)
        width = case.options["feature_shapes"][number][1]
        for array, values in (
            (f"index_{number}", level.places[:, 0] * width + level.places[:, 1]),
            (f"class_{number}", targets.labels[level.objects]),
        ):
            yield case.compare(array, values, expected=case.arrays[array][used], part="used")
        masks = torch.full((slots, *targets.masks.shape[1:]), 255.0)
        masks[used[0]] = targets.masks[level.objects]
        yield case.compare(f"inst_{number}", masks)
        count = len(level.present)
        first = torch.zeros(case.arrays[f"sem_index_{number}"].shape)
        first[0, :count] = 1
        yield case.compare(f"sem_index_{number}", first)
        for array, values in (
            (f"sem_labels_{number}", targets.stuff[level.present]),
            (f"sem_masks_{number}", level.stuff[level.present] > 0),
        ):
            expected = case.arrays[array][0, :count]
            yield case.compare(array, values, expected=expected, part="used")


def feature_maps(case: Case, *, depth: bool) -> dict[str, Tensor]:
    """The stored features of a case by name, as leaves of a graph."""
    names = [f"{kind}_{n}" for kind in ("center", "region", "weight") for n in range(LEVELS)]
    names.append("encode_feat")
    if depth:
        names += [*(f"depth_kernel_{n}" for n in range(LEVELS)), "encode_depth"]
    return {name: case[f"in_{name}"].clone().requires_grad_(True) for name in names}


def packed(maps: dict[str, Tensor]) -> PanopticFeatures:
    """Features as the network gives them."""

    def levels(kind: str) -> tuple[Tensor, ...]:
        return tuple(maps[f"{kind}_{n}"] for n in range(LEVELS) if f"{kind}_{n}" in maps)

    kinds = (levels(kind) for kind in ("center", "region", "weight", "depth_kernel"))
    return PanopticFeatures(*kinds, maps["encode_feat"], maps.get("encode_depth"))


def embedding_of(case: Case, part: str) -> nn.Conv2d:
    """The stored embedding of ``thing`` or ``stuff``."""
    weight = case[f"in_{part}_embed_weight"]
    layer = nn.Conv2d(*weight.shape[1::-1], 1)
    layer.load_state_dict({"weight": weight, "bias": case[f"in_{part}_embed_bias"]})
    return layer


def losses_of(case: Case, maps: dict[str, Tensor]) -> dict[str, Tensor]:
    """All losses of stored features."""
    embeddings = embedding_of(case, "thing"), embedding_of(case, "stuff")
    targets = [targets_of(case)]
    return dict(panoptic_losses(packed(maps), targets, *embeddings, PanopticLosses(), THINGS[0]))


@KINDS.add("losses", has("in_center_0", "loss_pos_th"))
def losses(case: Case) -> Iterator[Comparison]:
    targets = targets_of(case)
    for number, level in enumerate(targets.levels):
        if not len(level.objects):
            continue
        guided = guided_positions(
            case[f"in_center_{number}"][0],
            targets.labels[level.objects],
            targets.masks[level.objects],
            case.arrays[f"guided_value_{number}"].shape[-1],
        )
        yield case.compare(f"guided_value_{number}", guided.values)
        positive = guided.values > 0  # equal values have no order
        expected = case.arrays[f"guided_index_{number}"][0][positive]
        yield case.compare(
            f"guided_index_{number}", guided.places[positive], expected=expected, part="above 0"
        )
    for prefix, depth in (("", True), ("ps_", False)):
        maps = feature_maps(case, depth=depth)
        found = losses_of(case, maps)
        for name, value in found.items():
            yield case.compare(prefix + LOSSES[name], value)
        if depth:
            sum(found.values()).backward()
            for name, tensor in maps.items():
                yield case.compare(f"gradnorm_{name}", tensor.grad.norm())


@KINDS.add("training step", has("n_params_without_grad"))
def training_step(case: Case) -> Iterator[Comparison]:
    for prefix, variant in (("", "tiny-dps"), ("ps_", "tiny-ps")):
        network = network_of(case, variant).train()
        network.backbone.freeze(2)
        images, names = image_of(case), network.official_names()
        features = network(images)
        found = panoptic_losses(
            features,
            batch_targets(features, [truth_of(case)], images.shape[-2:], network.config),
            network.thing_embedding,
            network.stuff_embedding,
            PanopticLosses(),
            THINGS[0],
        )
        for name, value in found.items():
            yield case.compare(prefix + LOSSES[name], value)
        if prefix:
            continue
        sum(found.values()).backward()
        gradients = {names[name]: p.grad for name, p in network.named_parameters()}
        missing = sum(gradient is None for gradient in gradients.values())
        yield case.compare("n_params_without_grad", missing)
        for array in case.arrays:
            if array.startswith("gradnorm."):
                norm = gradients[array.removeprefix("gradnorm.")].norm()
                yield case.compare(array, norm)


@KINDS.add("schedule", has("dps-r50"))
def schedule(case: Case) -> Iterator[Comparison]:
    schedule = Poly(power=0.9, warmup=2000, warmup_from=0.001)
    for variant, rows in case.arrays.items():
        steps, rate = SCHEDULES[variant]
        clock = Clock(steps)
        found = [
            (step, rate * schedule.factor(int(step), clock.progress(int(step)))) for step, _ in rows
        ]
        yield case.compare(variant, found)
