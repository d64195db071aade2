"""Intermediate values of networks of the Depth Anything family, under the names of the cases."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from golden.cases import Case, Comparison
from torch import Tensor

from depth_perception.layers import DptHead, TapTokens, resize_map
from depth_perception.layers.padding import padded_conv


def tap_stages(taps: Sequence[TapTokens]) -> dict[str, Tensor]:
    """Patch and class tokens of each tap."""
    found = {}
    for index, tap in enumerate(taps):
        found |= {f"feat{index}": tap.patches, f"cls{index}": tap.class_token}
    return found


def head_stages(
    head: DptHead, taps: Sequence[Tensor], grid: tuple[int, int], *, prefix: str = ""
) -> dict[str, Tensor]:
    """The stages of a head for its tokens (B, N, D), which the original names with ``prefix``."""
    levels = head.levels(taps, grid)
    found = {f"layer{index + 1}_rn": level for index, level in enumerate(levels)}
    projected = [p(t.mT.unflatten(2, grid)) for p, t in zip(head.project, taps, strict=True)]
    found |= {f"project_{index}": level for index, level in enumerate(projected)}
    found["resize_3"] = head.rescale[3](projected[3])
    path = head.fuse[3](levels[3], None)
    for index in (3, 2, 1, 0):  # the original enlarges within the block, ours after it
        if index < 3:
            path = head.fuse[index](path, levels[index])
        size = levels[index - 1].shape[-2:] if index else [2 * side for side in path.shape[-2:]]
        path = found[f"path_{index + 1}"] = resize_map(path, tuple(size), circular=False)
    found["head_conv1"] = padded_conv(head.neck, path, False)
    found["logit"] = head(taps, grid)
    return {prefix + name: value for name, value in found.items()}


def compare_known(case: Case, found: dict[str, Tensor], *left_out: str) -> Iterator[Comparison]:
    """Those values that the case holds, cut as the case says."""
    for array, values in found.items():
        if array in case and array not in left_out:
            yield case.compare(array, cut(case, array, values))


# "every 4. query, every second row and column": the number, and the axes (batch first)
_EVERY = re.compile(
    r"(?:every|and) (?:second|(\d+)(?:th|\.)) (row and column|token|query|channel|feature)"
)
_AXES = {
    "row and column": (-2, -1),
    "token": (1,),
    "query": (1,),
    "channel": (1,),
    "feature": (-1,),
}


def cut(case: Case, array: str, values: Tensor) -> Tensor:
    """The part of ``values`` that a case stores, if it says that it stores a part of them."""
    entry: dict[str, Any] = case.entry["arrays"][array]
    rule = entry.get("subsampled")
    if rule is None:
        return values
    for number, what in _EVERY.findall(rule):
        for axis in _AXES[what]:
            kept = torch.arange(0, values.shape[axis], int(number or 2), device=values.device)
            values = values.index_select(axis, kept)
    for axis, count in enumerate(case.arrays[array].shape):
        if "first" in rule:
            values = values.narrow(axis, 0, min(count, values.shape[axis]))
    return values
