"""Losses of ScaleDepth (arXiv 2407.08187, section III-E) on several layers of its decoder.

Values and gradients agree with the released training code, including its deviations from the paper:
see :class:`ScaleDepthLosses`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ...systems.scaledepth.network import ScaleDepth
from ...systems.scaledepth.query_decoder import QueryOutput

UNKNOWN_CLASS = -1

_OFFSET_M = 1e-3  # added to both depths before the logarithm
_MEAN_SHARE = 0.15
_TINY = 1e-12


@dataclass(frozen=True)
class ScaleDepthLosses:
    """Weights of the terms.

    Attributes:
        depth_weight: of :func:`scale_invariant_log`.
        class_weight: of the cross entropy of the scene class; not used by networks without classes.
        layers: further supervised decoder layers besides the last one, counted from 0.
        layer_weights: factor of the depth loss of each of ``layers``; the cross entropy of all
            layers has full weight.
        max_depth_m: farther ground truth is ignored; None keeps all.
        softmax_twice: pass probabilities to a cross entropy that applies softmax again, as in the
            released code. This flattens the loss; False is the intended cross entropy.
    """

    depth_weight: float = 10.0
    class_weight: float = 0.01
    layers: tuple[int, ...] = (2, 5)
    layer_weights: tuple[float, ...] = (0.25, 0.5)
    max_depth_m: float | None = None
    softmax_twice: bool = True

    def __post_init__(self) -> None:
        if len(self.layers) != len(self.layer_weights):
            raise ValueError(
                f"layer_weights must have one weight for each of the layers {self.layers}, got "
                f"{self.layer_weights}"
            )
        if min(self.layers, default=0) < 0:
            raise ValueError(f"layers are counted from 0, got {self.layers}")
        if self.max_depth_m is not None and not self.max_depth_m > 0:
            raise ValueError(f"max_depth_m must be positive or null, got {self.max_depth_m}")


def scaledepth_losses(
    network: ScaleDepth,
    queries: Sequence[QueryOutput],
    depth_m: Tensor,
    classes: Tensor,
    options: ScaleDepthLosses,
) -> dict[str, Tensor]:
    """The weighted terms, whose sum is the loss.

    Args:
        network: makes depth and classes from queries.
        queries: of every decoder layer, see :meth:`ScaleDepth.layers`.
        depth_m: (B, 1, H, W) ground truth in metres, 0 where unknown.
        classes: (B,) int64 indices of scene classes, :data:`UNKNOWN_CLASS` where unknown.

    Returns:
        ``depth`` and, for a network with classes, ``class`` of the last layer, and the same with
        the number of the layer appended, such as ``depth_2``, for each of ``options.layers``.

    Raises:
        ValueError: the network lacks layers of ``options`` or classes of the images.
    """
    last = len(queries) - 1
    if max(options.layers, default=0) > last:
        raise ValueError(f"the decoder has no layer {max(options.layers)}, its last is {last}")
    known = 0 if network.class_embeddings is None else len(network.class_embeddings)
    if known and int(classes.max()) >= known:
        raise ValueError(f"scene class {int(classes.max())}, but the network knows only {known}")
    terms = {}
    supervised = [("", last, 1.0)]
    supervised += [
        (f"_{layer}", layer, weight)
        for layer, weight in zip(options.layers, options.layer_weights, strict=True)
    ]
    for suffix, layer, weight in supervised:
        output = network.output(queries[layer])
        pred = output.depth_m(tuple(depth_m.shape[-2:]))
        error = scale_invariant_log(pred, depth_m, max_depth_m=options.max_depth_m)
        terms[f"depth{suffix}"] = weight * options.depth_weight * error
        if known:
            scores = output.class_probabilities
            if not options.softmax_twice:
                scores = network.class_scores(queries[layer])
            terms[f"class{suffix}"] = options.class_weight * class_entropy(scores, classes)
    return terms


def scale_invariant_log(
    pred: Tensor, target: Tensor, *, max_depth_m: float | None = None, mean_only: bool = False
) -> Tensor:
    """Root of the variance and 0.15 times the squared mean of the log error of a whole batch.

    Section III-E, after AdaBins (arXiv 2011.14141). Unlike
    :func:`~depth_perception.training.panda.losses.silog` it adds a millimetre to both depths and
    uses the unbiased variance.

    Args:
        pred, target: (B, 1, H, W) metres; a target of 0 is unknown.
        max_depth_m: farther targets are ignored.
        mean_only: without the variance, for the first steps of a run.

    Returns:
        The loss; 0 with zero gradients for fewer than two valid pixels.
    """
    mask = target > 0
    if max_depth_m is not None:
        mask = mask & (target <= max_depth_m)
    if int(mask.sum()) < 2:
        return 0 * pred.sum()
    error = (pred[mask] + _OFFSET_M).log() - (target[mask] + _OFFSET_M).log()
    square = _MEAN_SHARE * error.mean().square()
    return (square if mean_only else error.var() + square).clamp_min(_TINY).sqrt()


def class_entropy(scores: Tensor, classes: Tensor) -> Tensor:
    """Cross entropy of (B, classes), softmax included, over images of a known class; else 0."""
    if not (classes != UNKNOWN_CLASS).any():
        return 0 * scores.sum()
    return F.cross_entropy(scores, classes, ignore_index=UNKNOWN_CLASS)
