"""Cases of EoMT."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from golden.cases import Case, Comparison
from golden.kinds import Kinds, Rule, has
from golden.stages import compare_known, cut
from torch import Tensor

from depth_perception.evaluation.panoptic import PanopticCounts, PanopticRules, match_segments
from depth_perception.segment_classes import COCO_PANOPTIC, PanopticClass
from depth_perception.systems.checkpoints import load_strictly
from depth_perception.systems.eomt.config import BASE, LARGE, SMALL, TINY, EomtConfig, EomtLimits
from depth_perception.systems.eomt.input import fitted_size, padded_input
from depth_perception.systems.eomt.network import Eomt
from depth_perception.systems.eomt.segments import Candidates, candidates, panoptic_map

KINDS = Kinds()
CONFIGS = {"eomt_tiny": TINY, "eomt_small": SMALL, "eomt_base": BASE, "eomt_large": LARGE}


def is_large(case: Case) -> bool:
    large = case.entry["variant"] in ("eomt_base", "eomt_large")
    return large or case.options["img_size"][0] >= 640


def classes_of(options: dict[str, Any]) -> tuple[PanopticClass, ...]:
    """Classes of which only the kind is known, or those of COCO."""
    if options["num_classes"] == len(COCO_PANOPTIC):
        return COCO_PANOPTIC
    stuff = options.get("stuff_classes", ())
    return tuple(
        PanopticClass(str(number), number not in stuff, (0, 0, 0))
        for number in range(options["num_classes"])
    )


def config_of(case: Case) -> EomtConfig:
    options = case.options
    return replace(
        CONFIGS[case.entry["variant"]],
        size=tuple(options["img_size"]),
        queries=options["num_q"],
        query_blocks=options["num_blocks"],
        classes=classes_of(options),
    )


def network_of(case: Case) -> Eomt:
    """The network with the parameters of a case."""
    with torch.device("meta"):
        network = Eomt(config_of(case))
    network.to_empty(device="cpu")
    load_strictly(network, case.state(), network.official_names(), case.name)
    return network.requires_grad_(False).eval()


@KINDS.add("network", lambda case: case.entry.get("kind") == "network", is_large)
def network(case: Case) -> Iterator[Comparison]:
    network, images = network_of(case), case["x"].float()
    found: dict[str, Tensor] = {}

    def keep(name: str, module: torch.nn.Module) -> None:
        module.register_forward_hook(lambda *call: found.update({name: call[2]}))

    backbone = network.encoder.backbone
    for index, block in enumerate(backbone.blocks):
        keep(f"block{index}", block)
    first = backbone.blocks[-network.config.query_blocks]
    first.register_forward_pre_hook(lambda _, given: found.update(tokens_with_queries=given[0]))
    keep("final_norm", backbone.norm)
    keep("mask_embed", network.mask_head)
    keep("upscale0", network.upscale[0])
    keep("upscaled", network.upscale)
    options = case.options
    with torch.inference_mode():
        if options["masked_attn_enabled"]:
            share, count = options["attn_mask_probs"], options["num_blocks"]
            predictions = list(network.masked(images, [share] * count))
            start = len(backbone.blocks) - count
            for index, maps in enumerate(predictions[:-1]):
                found[f"mask_logits_pred{index}"], found[f"class_logits_pred{index}"] = maps
                mask = network.attention_mask(maps.masks, share)[:, 0, : options["num_q"]]
                found[f"attn_mask_block{start + index}"] = mask[..., options["num_q"] + 5 :]
            last = predictions[-1]
        else:
            last = network(images)
        found["tokens"] = network.encoder.embed(images)
    found["mask_logits"], found["class_logits"] = last
    yield from compare_known(case, found)


def maps_of(
    found: Candidates, classes: tuple[PanopticClass, ...], limits: EomtLimits
) -> tuple[Tensor, Tensor, list[list[int]]]:
    """Class and segment map as the original numbers them, and (id, class, area) of segments."""
    ids, segments = panoptic_map(found, classes, limits)
    table = torch.tensor([len(classes), *(entry.class_id for entry in segments)])
    areas = torch.bincount(ids.flatten(), minlength=len(segments) + 1).tolist()
    rows = [[entry.id - 1, entry.class_id, areas[entry.id]] for entry in segments]
    return table[ids.long()], ids - 1, rows


def limits_of(case: Case) -> EomtLimits:
    return EomtLimits(case.options["mask_thresh"], case.options["overlap_thresh"])


def ends(ending: str) -> Rule:
    """True for cases with an array whose name ends so."""
    return lambda case: any(name.endswith(ending) for name in case.arrays)


@KINDS.add("merging", ends("_segment_map"))
def merging(case: Case) -> Iterator[Comparison]:
    limits, classes = limits_of(case), classes_of(case.options)
    for array in [name for name in case.arrays if name.endswith("_mask_logits")]:
        name = array.removesuffix("_mask_logits")
        found = candidates(case[array], case[f"{name}_class_logits"], limits.score)
        class_map, segment_map, _ = maps_of(found, classes, limits)
        yield case.compare(f"{name}_class_map", class_map)
        yield case.compare(f"{name}_segment_map", segment_map)


@KINDS.add("resizing", ends("_logits_at_input"))
def resizing(case: Case) -> Iterator[Comparison]:
    if "rows" in case:
        sizes = [
            [side, height, width, *fitted_size(height, width, (side, side))]
            for side, height, width, *_ in case["rows"].tolist()
        ]
        yield case.compare("rows", sizes)
    size, step = tuple(case.options["img_size"]), 2 if "subsampled" in case.entry else 1
    for array in [name for name in case.arrays if name.endswith("_image")]:
        name, image = array.removesuffix("_image"), case[array]
        yield case.compare(f"{name}_padded", padded_input(image, size))
        logits = case[f"{name}_logits"]
        some = Candidates(logits, torch.ones(len(logits)), torch.zeros(len(logits)))
        shape = tuple(image.shape[:2])
        masks = some.resized(size, fitted_size(*shape, size), shape).masks
        yield case.compare(f"{name}_logits_at_input", masks[..., ::step, ::step])


@KINDS.add("run_image", lambda case: case.entry.get("kind") == "run_image", is_large)
def run_image(case: Case) -> Iterator[Comparison]:
    network, image, limits = network_of(case), case["image"], limits_of(case)
    config = network.config
    images = padded_input(image, config.size)
    if "padded" in case:  # the original's pixels, which may differ by a grey level
        yield case.compare("padded", images)
        images = case.arrays["padded"][None].float()
    with torch.inference_mode():
        maps = network(images)
    for array, values in zip(("mask_logits", "class_logits"), maps, strict=True):
        yield case.compare(array, cut(case, array, values))
    found = candidates(maps.masks[0], maps.classes[0], limits.score)
    size = tuple(image.shape[:2])
    found = found.resized(config.size, fitted_size(*size, config.size), size)
    class_map, segment_map, rows = maps_of(found, config.classes, limits)
    stable = case["stable"]
    yield case.compare("class_map", class_map, where=stable)
    yield case.compare("segment_map", segment_map, where=stable)
    rows, expected = torch.tensor(rows), case.arrays["segments"]
    yield case.compare("segments", rows[:, :2], expected=expected[:, :2], part="ids and classes")
    unstable = int((~stable).sum())
    excess = ((rows[:, 2] - expected[:, 2]).abs() - unstable).clamp_min(0)
    yield case.compare("segments", excess, expected=torch.zeros(len(rows)), part="areas")


def segment_map(pairs: Tensor, rules: PanopticRules) -> Tensor:
    """Our segment map (...) of (..., 2) classes and segments; class -1 is void."""
    classes, segments = pairs.long().unbind(-1)
    return torch.where(classes < 0, rules.void, classes * rules.divisor + segments + 1)


@KINDS.add("panoptic quality", has("pq_sq_rq", "pred0"))
def panoptic_quality(case: Case) -> Iterator[Comparison]:
    """By the counts of our evaluation; void is one more class of stuff, as the authors count."""
    options = case.options
    count = options["num_classes"]
    rules = PanopticRules(
        classes=count + 1, things=tuple(options["things"]), ignored_class=count + 1
    )
    total = PanopticCounts.none(rules.classes)
    for index in range(sum(name.startswith("pred") for name in case.arrays)):
        pred, target = case[f"pred{index}"], case[f"target{index}"]
        crowds = case[f"crowd{index}"]
        maps = [segment_map(one, rules) for one in (pred, target)]
        marked = segment_map(target[crowds[target[..., 1].long()] & (target[..., 1] >= 0)], rules)
        total += match_segments(*maps, rules, marked.unique().tolist())
    yield case.compare("iou_sum", total.iou)
    yield case.compare("true_positives", total.tp)
    yield case.compare("false_positives", total.fp)
    yield case.compare("false_negatives", total.fn)
    sq = total.iou / total.tp.clamp_min(1)
    rq = total.tp / (total.tp + total.fp / 2 + total.fn / 2).clamp_min(0.5)
    quality = torch.stack((sq * rq, sq, rq), 1)
    yield case.compare("pq_sq_rq", quality)
    groups = (range(count), options["things"], options["stuffs"])
    yield case.compare("means", torch.stack([quality[list(group)].mean(0) for group in groups]))
