"""The network of ScaleDepth against the original."""

from __future__ import annotations

import pytest
import torch
from golden.scaledepth_reference import Case, case, manifest

from depth_perception.systems.checkpoints import load_strictly
from depth_perception.systems.scaledepth.config import (
    SCALEDEPTH,
    SCALEDEPTH_REDUCED,
    SCENE_CLASSES,
    UNUSED_IN_FILES,
)
from depth_perception.systems.scaledepth.network import ScaleDepth, bin_edges, relative_depth
from depth_perception.systems.scaledepth.query_decoder import QueryOutput, hidden_cells


def network_of(golden: Case) -> ScaleDepth:
    """The network with the parameters of a case."""
    reduced = golden.entry["variant"] == "scaledepth-reduced"
    with torch.device("meta"):
        network = ScaleDepth(SCALEDEPTH_REDUCED if reduced else SCALEDEPTH)
    network.to_empty(device="cpu")
    network.restore_constants()
    load_strictly(network, golden.state(), network.official_names(), golden.entry["case"])
    return network.requires_grad_(False).eval()


@pytest.mark.parametrize("name", ["net-reduced", "net-reduced-oddsize-batch2"])
def test_reduced_network_equals_the_original(name: str) -> None:
    golden = case(name)
    check_network(network_of(golden), golden)


def check_network(network: ScaleDepth, golden: Case) -> None:
    images = golden.batch
    with torch.inference_mode():
        maps = network.encoder((images - network.mean) / network.std)
        pixels = network.pixels(maps)
        layers = network.layers(images)
        outputs = [network.output(layer) for layer in layers]
        last = network(images)
    actual = {f"res{index + 2}": value for index, value in enumerate(maps)}
    actual |= {f"memory{index}": value for index, value in enumerate(pixels.memories)}
    actual["mask_features"] = pixels.features
    actual["bin_logits"] = torch.stack([layer.logits for layer in layers])[..., None]
    actual["mask_logits_last"] = layers[-1].masks
    actual["scale_queries"] = torch.stack([layer.free for layer in layers])
    actual["scales"] = torch.stack([output.scale_m for output in outputs])[..., None]
    actual["class_probs"] = torch.stack([output.class_probabilities for output in outputs])
    actual["relative_depth_last"] = last.relative
    actual["bin_edges"] = torch.stack([bin_edges(layer.logits) for layer in layers])
    actual["depth"] = last.depth_m(tuple(images.shape[-2:]))
    assert set(golden.arrays) <= set(actual)
    for array in golden.arrays:
        golden.assert_close(actual[array], array)


def test_decoder_layer_and_head_equal_the_original() -> None:
    golden = case("op-decoder-layer")
    arrays = golden.arrays
    decoder = network_of(golden).queries
    with torch.inference_mode():
        output = decoder.layers[0](
            arrays["query"],
            arrays["query_pos"],
            arrays["key"],
            arrays["key_pos"],
            arrays["cross_attn_mask"].bool(),
        )
        logits, masks = decoder.read(arrays["query"][:, :12], arrays["mask_features"])
        hidden = torch.nn.functional.interpolate(masks, (3, 5), mode="bilinear").flatten(2) < 0
    golden.assert_close(output, "output")
    golden.assert_close(logits[..., None], "head_bin_logits")
    golden.assert_close(masks, "head_mask_logits")
    assert (hidden == arrays["head_attn_mask"].bool()).all()
    assert not hidden_cells(masks.new_full((1, 2, 4, 4), -1.0), (2, 2)).any()


def test_bins_scale_and_classes_equal_the_original() -> None:
    golden = case("op-bins-scale-class")
    arrays = golden.arrays
    network = network_of(golden)
    logits, masks = arrays["bin_logits"][..., 0], arrays["mask_logits"]
    golden.assert_close(bin_edges(logits), "bin_edges")
    golden.assert_close(relative_depth(logits, masks), "relative_depth")
    extent = golden.entry["options"]["max_depth_without_scale"] - 0.001
    golden.assert_close(bin_edges(logits, extent), "bin_edges_without_scale")
    golden.assert_close(relative_depth(logits, masks, extent), "metric_depth_without_scale")
    joined = arrays["scale_queries"]
    output = network.output(QueryOutput(logits, masks, joined))
    golden.assert_close(output.scale_m[:, None], "scale")
    golden.assert_close(output.class_probabilities, "class_probs")


@pytest.mark.parametrize(
    ("variant", "classes", "entries"),
    [("scaledepth-nk", 28, 838), ("scaledepth-n", 27, 838), ("scaledepth-k", 0, 837)],
)
def test_every_entry_of_a_published_file_is_accounted_for(variant, classes, entries) -> None:
    names = manifest(variant)
    assert len(names) == entries
    with torch.device("meta"):
        network = ScaleDepth(SCALEDEPTH, classes=classes)
    mapped = network.official_names()
    official = {mapped[name]: list(value.shape) for name, value in network.state_dict().items()}
    unused = {name for name in names if name.startswith(UNUSED_IN_FILES)}
    assert official == {name: shape for name, (shape, _) in names.items() if name not in unused}
    # 16 text blocks of 12 tensors, 6 more of the text side, visual head 3, head of the trunk 2
    assert len(unused) == 16 * 12 + 6 + 3 + 2


def test_the_classes_are_those_of_the_embeddings() -> None:
    assert len(SCENE_CLASSES) == len(set(SCENE_CLASSES)) == 28
    assert SCENE_CLASSES[27] == "outdoor_scene"
