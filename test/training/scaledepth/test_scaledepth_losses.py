"""Losses of ScaleDepth against the original, with their gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from golden.fill import noise_image
from golden.scaledepth_reference import case
from published.losses import bin_chamfer
from systems.scaledepth.test_scaledepth_network import network_of

from depth_perception.systems.scaledepth.config import SCALEDEPTH_REDUCED
from depth_perception.systems.scaledepth.network import ScaleDepth
from depth_perception.systems.scaledepth.query_decoder import QueryOutput
from depth_perception.training.panda.losses import dav2_silog
from depth_perception.training.scaledepth.losses import (
    ScaleDepthLosses,
    class_entropy,
    scale_invariant_log,
    scaledepth_losses,
)


def test_single_losses_equal_the_original() -> None:
    golden = case("losses")
    arrays, options = golden.arrays, golden.entry["options"]
    target, relative = arrays["gt"], arrays["pred"]
    metric = relative * arrays["scale"][..., None, None]
    weight = options["loss_weight"]
    for name, pred in (("sig", relative), ("sigplus", metric)):
        golden.assert_close(weight * scale_invariant_log(pred, target), f"{name}_maxnone")
        near = scale_invariant_log(pred, target, max_depth_m=10)
        golden.assert_close(weight * near, f"{name}_max10")
        early = scale_invariant_log(pred, target, mean_only=True)
        golden.assert_close(weight * early, f"{name}_warmup")
    entropy = class_entropy(arrays["class_scores"], arrays["class_labels"])
    golden.assert_close(options["ce_weight"] * entropy, "loss_ce")
    golden.assert_close(entropy, "celoss_unused")
    best = arrays["class_scores"].topk(5).indices == arrays["class_labels"][:, None]
    shares = torch.stack([100 * best[:, :k].any(1).float().mean() for k in (1, 5)])
    golden.assert_close(shares, "celoss_top1_top5")
    generic = [
        dav2_silog(t[None], p[None], t[None] > 0) for t, p in zip(target, relative, strict=True)
    ]
    golden.assert_close(torch.stack(generic).mean(), "silog_generic_mmseg_unused")


def test_total_loss_and_gradients_equal_the_original() -> None:
    golden = case("train-loss-reduced")
    source, options = golden.entry["input"], golden.entry["options"]
    images = golden.batch
    pictures = [noise_image(64, 96, seed) for seed in source["gt_seeds"]]
    truth = torch.stack([_truth(torch.from_numpy(p)) for p in pictures])
    golden.assert_close(truth, "gt")
    network = network_of(golden).requires_grad_(True)
    losses = scaledepth_losses(
        network,
        network.layers(images),
        truth,
        torch.tensor(source["category_id"]),
        ScaleDepthLosses(
            layers=tuple(options["aux_index"]),
            layer_weights=tuple(options["aux_weight"]),
            max_depth_m=options["max_depth"],
        ),
    )
    total = torch.stack(list(losses.values())).sum()
    total.backward()
    theirs = {
        "depth": "loss_depth",
        "class": "loss_ce",
        "depth_2": "aux_loss_depth_2",
        "class_2": "aux_loss_ce_2",
        "depth_5": "aux_loss_depth_5",
        "class_5": "aux_loss_ce_5",
    }
    assert set(losses) == set(theirs)
    for name, value in losses.items():
        golden.assert_close(value.detach(), f"decode.{theirs[name]}")
    golden.assert_close(total.detach(), "total")
    names = network.official_names()
    gradients = {names[name]: p.grad for name, p in network.named_parameters()}
    compared = [name for name in golden.arrays if name.startswith("grad:")]
    assert len(compared) == 7
    for name in compared:
        golden.assert_close(gradients[name.removeprefix("grad:")], name)
    assert all(gradient is not None for gradient in gradients.values())


def _truth(picture: torch.Tensor) -> torch.Tensor:
    depth = picture[..., 0].float() / 25.5
    return torch.where(picture[..., 1] < 90, 0.0, depth)[None]


def test_unknown_depth_and_classes_do_not_count() -> None:
    pred = torch.rand(2, 1, 4, 6) + 1
    truth = torch.rand(2, 1, 4, 6) + 1
    truth[0, :, 2:] = 0
    other = pred.clone()
    other[0, :, 2:] = 77
    assert scale_invariant_log(pred, truth) == scale_invariant_log(other, truth)
    pred.requires_grad_()
    nothing = scale_invariant_log(pred, torch.zeros_like(truth))
    nothing.backward()
    assert nothing == 0
    assert (pred.grad == 0).all()
    scores = torch.randn(3, 5)
    alone = class_entropy(scores[1:2], torch.tensor([4]))
    torch.testing.assert_close(class_entropy(scores, torch.tensor([-1, 4, -1])), alone)
    assert class_entropy(scores, torch.tensor([-1, -1, -1])) == 0


def test_a_perfect_prediction_has_no_loss_and_finite_gradients() -> None:
    truth = torch.rand(1, 1, 4, 6) + 1
    pred = truth.clone().requires_grad_()
    loss = scale_invariant_log(pred, truth)
    loss.backward()
    assert loss < 1e-5
    assert torch.isfinite(pred.grad).all()


def test_the_plain_cross_entropy_is_that_of_the_scores() -> None:
    torch.manual_seed(0)
    network = ScaleDepth(SCALEDEPTH_REDUCED)
    network.class_embeddings.copy_(0.01 * torch.randn(28, 96))
    queries = QueryOutput(torch.randn(2, 12), torch.randn(2, 12, 4, 6), torch.randn(2, 3, 32))
    classes = torch.tensor([3, 27])
    once = ScaleDepthLosses(layers=(), layer_weights=(), softmax_twice=False, class_weight=1.0)
    terms = scaledepth_losses(network, [queries], torch.ones(2, 1, 8, 12), classes, once)
    scores = 100 * queries.free.flatten(1) @ network.class_embeddings.T
    torch.testing.assert_close(terms["class"], F.cross_entropy(scores, classes))


def test_a_network_without_classes_has_no_class_loss() -> None:
    network = ScaleDepth(SCALEDEPTH_REDUCED, classes=0)
    queries = [QueryOutput(torch.randn(1, 12), torch.randn(1, 12, 4, 6), torch.randn(1, 3, 32))]
    options = ScaleDepthLosses(layers=(), layer_weights=())
    terms = scaledepth_losses(network, queries, torch.ones(1, 1, 8, 8), torch.tensor([-1]), options)
    assert set(terms) == {"depth"}


def test_what_does_not_fit_is_named() -> None:
    network = ScaleDepth(SCALEDEPTH_REDUCED, classes=27)
    queries = [QueryOutput(torch.randn(1, 12), torch.randn(1, 12, 4, 6), torch.randn(1, 3, 32))]
    truth = torch.ones(1, 1, 8, 8)
    with pytest.raises(ValueError, match="no layer 5"):
        scaledepth_losses(network, queries, truth, torch.tensor([0]), ScaleDepthLosses())
    alone = ScaleDepthLosses(layers=(), layer_weights=())
    with pytest.raises(ValueError, match="scene class 27"):
        scaledepth_losses(network, queries, truth, torch.tensor([27]), alone)
    with pytest.raises(ValueError, match="layer_weights"):
        ScaleDepthLosses(layers=(2,))
    with pytest.raises(ValueError, match="max_depth_m"):
        ScaleDepthLosses(max_depth_m=0)


def test_chamfer_loss_is_that_of_all_pairs() -> None:
    torch.manual_seed(0)
    edges = torch.rand(2, 6).cumsum(1).requires_grad_()
    target = 4 * torch.rand(2, 1, 5, 7)
    target[0, 0, 0] = 0
    centres = (edges[:, 1:] + edges[:, :-1]) / 2
    expected = []
    for bins, depth in zip(centres, target.flatten(1), strict=True):
        pairs = (bins[:, None] - depth[depth >= 1e-3]).square()
        expected.append(pairs.amin(1).mean() + pairs.amin(0).mean())
    expected = torch.stack(expected).mean()
    actual = bin_chamfer(edges, target)
    torch.testing.assert_close(actual, expected)
    (gradient,) = torch.autograd.grad(actual, edges, retain_graph=True)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, edges)[0])
    assert bin_chamfer(edges, torch.zeros(2, 1, 3, 3)) == 0
