"""From features to panoptic maps with depth: parity with the original, and nothing found."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from golden.panopticdepth_reference import Case, case, unpacked
from systems.panopticdepth.test_panopticdepth_network import network_of

from depth_perception.systems.panopticdepth.config import PANOPTICDEPTH_TINY, PanopticLimits
from depth_perception.systems.panopticdepth.input import panoptic_input
from depth_perception.systems.panopticdepth.kernels import (
    mask_logits,
    segment_kernels,
    stuff_candidates,
    thing_candidates,
)
from depth_perception.systems.panopticdepth.maps import PanopticMap, View, plain_map
from depth_perception.systems.panopticdepth.network import PanopticDepth, PanopticFeatures

LIMITS = PanopticLimits()
POST = case("post-fixed")
SIZES = {"full": ((96, 160), (96, 160)), "crop": ((90, 150), (135, 225))}


def fixed_features(*, depth: bool = True, minus: float = 0.0) -> PanopticFeatures:
    def levels(name: str) -> tuple[torch.Tensor, ...]:
        return tuple(POST[f"in_{name}_{level}"] for level in range(5))

    return PanopticFeatures(
        things=tuple(level - minus for level in levels("center")),
        stuff=levels("region"),
        kernels=levels("weight"),
        depth_kernels=levels("depth_kernel") if depth else (),
        masks=POST["in_encode_feat"],
        depths=POST["in_encode_depth"] if depth else None,
    )


@pytest.fixture(scope="module")
def generators() -> PanopticDepth:
    """A network of which only the two embeddings matter."""
    network = PanopticDepth(PANOPTICDEPTH_TINY)
    with torch.no_grad():
        for name in ("thing", "stuff"):
            layer = getattr(network, f"{name}_embedding")
            layer.weight.copy_(POST[f"in_{name}_embed_weight"])
            layer.bias.copy_(POST[f"in_{name}_embed_bias"])
    return network.requires_grad_(False)


def plain(
    network: PanopticDepth, features: PanopticFeatures, view: View, limits: PanopticLimits = LIMITS
):
    things, stuff = segment_kernels(network, features, limits)
    return things, stuff, plain_map(things, stuff, features, view, network.config, limits)


def check_map(golden: Case, found: PanopticMap, prefix: str = "", depth: str = "depth") -> None:
    """Integer maps agree but for 0.1 %, depth where they do."""
    same = golden.assert_nearly_all_equal(found.ids, f"{prefix}panoptic_id")
    same &= golden.assert_nearly_all_equal(found.classes, f"{prefix}semantic")
    if f"{prefix}panoptic_seg" in golden.arrays:
        joint = torch.where(found.ids < 0, -1, found.classes * 1000 + found.ids)
        golden.assert_nearly_all_equal(joint, f"{prefix}panoptic_seg")
    if found.depth is not None:
        golden.assert_close(found.depth, f"{prefix}{depth}", where=same)
    numbers = {segment.id for segment in found.segments}
    assert numbers == set(found.ids.unique().tolist()) - {-1}
    for segment in found.segments:
        assert (found.classes[found.ids == segment.id] == segment.class_id).all()


def check_instances(golden: Case, result, prefix: str = "") -> None:
    golden.assert_close(result.things.scores, f"{prefix}inst_scores")
    assert torch.equal(result.things.classes.int(), golden[f"{prefix}inst_classes"])
    masks = unpacked(golden[f"{prefix}inst_masks_packed"], result.masks.shape[-1])
    assert (masks != result.masks).float().mean() <= 0.001
    boxes = golden[f"{prefix}inst_boxes"]
    assert ((result.boxes - boxes).abs().amax(1) > 0).float().mean() <= 0.05


@pytest.mark.parametrize("tag", ["dps_full", "dps_crop", "ps_full"])
def test_post_processing_equals_the_original(tag: str, generators: PanopticDepth) -> None:
    model, size = tag.split("_")
    features = fixed_features(depth=model == "dps")
    view = View(*SIZES[size], crop_depth=False)
    candidates = thing_candidates(features, LIMITS)
    assert torch.equal(candidates.classes.int(), POST[f"{tag}.cand_class"])
    POST.assert_close(candidates.scores, f"{tag}.cand_score")
    stuff_found = stuff_candidates(features, LIMITS)
    assert torch.equal(stuff_found.classes.int(), POST[f"{tag}.stuff_cand_class"])
    POST.assert_close(stuff_found.scores, f"{tag}.stuff_cand_score")
    things, stuff, result = plain(generators, features, view)
    for name, segments in (("fused", things), ("stuff", stuff)):
        assert torch.equal(segments.classes.int(), POST[f"{tag}.{name}_class"])
        POST.assert_close(segments.scores, f"{tag}.{name}_score")
    if model == "dps":
        POST.assert_close(things.depth_kernels, f"{tag}.thing_depth_kernel")
        POST.assert_close(stuff.depth_kernels, f"{tag}.stuff_depth_kernel")
    if size == "full":
        POST.assert_close(mask_logits(things, features), f"{tag}.fused_mask_logits")
        POST.assert_close(mask_logits(stuff, features), f"{tag}.stuff_mask_logits")
    POST.assert_nearly_all_equal(result.semantic.argmax(0), f"{tag}.sem_seg_argmax")
    POST.assert_close(result.semantic.amax(0), f"{tag}.sem_seg_max")
    check_instances(POST, result, f"{tag}.")
    check_map(POST, result.map, f"{tag}.")


@pytest.mark.parametrize("model", ["dps", "ps"])
def test_images_without_things_equal_the_original(model: str, generators: PanopticDepth) -> None:
    features = fixed_features(depth=model == "dps", minus=20)
    _, _, result = plain(generators, features, View(*SIZES["full"], crop_depth=False))
    assert len(result.masks) == int(POST[f"{model}_nothing.n_instances"]) == 0
    check_map(POST, result.map, f"{model}_nothing.")


@pytest.mark.parametrize("name", ["infer-tiny-dps", "infer-tiny-dps-pad", "infer-tiny-ps-pad"])
def test_pictures_become_the_maps_of_the_original(name: str) -> None:
    check_inference(case(name))


def check_inference(golden: Case) -> None:
    """From uint8 to maps, in the authors' way and with the padding cut off the depth."""
    network = network_of(golden)
    source = golden.entry["input"]
    output = (source["output_height"], source["output_width"])
    with torch.inference_mode():
        features = network(panoptic_input(torch.from_numpy(golden.image)))
        view = View((source["height"], source["width"]), output, crop_depth=False)
        candidates = thing_candidates(features, LIMITS)
        things, stuff, result = plain(network, features, view)
        assert torch.equal(candidates.classes.int(), golden["cand_class"])
        golden.assert_close(candidates.scores, "cand_score")
        for group, segments in (("fused", things), ("stuff", stuff)):
            assert torch.equal(segments.classes.int(), golden[f"{group}_class"])
            golden.assert_close(segments.scores, f"{group}_score")
        check_instances(golden, result)
        check_map(golden, result.map)
        if "sem_seg" in golden.arrays:
            golden.assert_close(result.semantic, "sem_seg")
        if features.depths is not None:
            view = dataclasses.replace(view, crop_depth=True)
            cropped = plain_map(things, stuff, features, view, network.config, LIMITS)
            check_map(golden, cropped.map, depth="depth_if_cropped")
