"""Where the time of a network goes: the operations that PyTorch's profiler names, in groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from .depth import Scene
from .machine import bench_device, hardware, load_note, torch_threads
from .options import Profile
from .result import Result

# Beginnings of names; what none of them fits is "other".
GROUPS: Mapping[str, tuple[str, ...]] = {
    "matrix products": (
        "aten::addmm", "aten::mm", "aten::bmm", "aten::baddbmm", "mkldnn::_linear_pointwise",
    ),
    "fused attention": ("aten::_scaled_dot_product", "aten::_flash_attention"),
    "softmax": ("aten::_softmax",),
    "convolutions": ("aten::mkldnn_convolution", "aten::cudnn_convolution", "aten::slow_conv"),
    "sums, scaling, ReLU, GELU": (
        "aten::add", "aten::mul", "aten::sub", "aten::div", "aten::relu", "aten::clamp",
        "aten::gelu", "aten::sigmoid",
    ),
    "norms": ("aten::native_layer_norm", "aten::native_batch_norm"),
    "enlarging": ("aten::upsample", "aten::_upsample"),
    "copies": ("aten::copy_", "aten::cat", "aten::clone", "aten::fill_"),
}  # fmt: skip
OTHER = "other"
Seconds = Mapping[str, Mapping[str, float]]
"""Processor (or device) seconds of one run: variant to group to seconds; all have all groups."""


def bench_profile(options: Profile) -> Result:
    """Profile the plain network and ours in PyTorch, after a warm-up.

    Raises:
        KeyError, ValueError: no such model, size or device; a backend other than torch.
    """
    options.check()
    device, busy = bench_device(options.device), load_note()
    with torch_threads(options.threads), torch.inference_mode():
        scene, machine = Scene(options, device), hardware(device)
        runs = {"ours" if n == "torch" else n: run for n, run in scene.networks().items()}
        seconds = {name: seconds_by_group(run, device) for name, run in runs.items()}
    settings = {k: v for k, v in scene.settings().items() if k != "image"}
    if options.picture is not None:
        title = ", ".join(map(str, (*settings.values(), machine.device)))
        draw(seconds, title, options.picture)
    return Result(
        f"profile-{options.model}-{settings['input']}",
        machine,
        ("operations", *(title for name in seconds for title in (f"{name} ms", "share"))),
        rows(seconds),
        (str(machine), *busy),
        {"bench": "profile", "seconds": seconds, "hardware": asdict(machine),
         "settings": settings, "notes": busy},
    )  # fmt: skip


def seconds_by_group(run: Callable[[], object], device: torch.device) -> dict[str, float]:
    """Seconds of one run, after another one, in each of :data:`GROUPS` and :data:`OTHER`."""
    is_cuda = device.type == "cuda"
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if is_cuda else [])
    run()
    with profile(activities=activities) as seen:
        run()
        if is_cuda:
            torch.cuda.synchronize(device)
    found = dict.fromkeys((*GROUPS, OTHER), 0.0)
    for event in seen.key_averages():
        spent = event.self_device_time_total if is_cuda else event.self_cpu_time_total
        found[group_of(event.key)] += spent / 1e6
    return found


def group_of(operation: str) -> str:
    """The group of an operation, by the longest beginning of a name that fits."""
    begins = {begin: group for group, names in GROUPS.items() for begin in names}
    fits = filter(operation.startswith, begins)
    return begins.get(max(fits, key=len, default=""), OTHER)


def rows(seconds: Seconds) -> tuple[tuple[str, ...], ...]:
    """Milliseconds and shares of every group."""
    found = []
    for group in (*GROUPS, OTHER, "all"):
        cells = [group]
        for parts in seconds.values():
            total = sum(parts.values())
            spent = parts.get(group, total)
            cells += [f"{1e3 * spent:.1f}", f"{spent / total:.0%}"]
        found.append(tuple(cells))
    return tuple(found)


def draw(seconds: Seconds, title: str, path: Path) -> None:
    """A bar for each variant, as long as its time, in the colours of the groups."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 1.6 + 0.7 * len(seconds)), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    names, reached = list(seconds), [0.0] * len(seconds)
    for group, colour in zip((*GROUPS, OTHER), colormaps["tab10"].colors, strict=False):
        lengths = [1e3 * seconds[name][group] for name in names]
        if any(lengths):
            axes.barh(names, lengths, left=reached, color=colour, label=group, height=0.6)
            reached = [a + b for a, b in zip(reached, lengths, strict=True)]
    for place, total in enumerate(reached):
        axes.text(total, place, f" {total:.0f} ms", va="center")
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(reached))
    axes.set_xlabel("time, ms")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, fontsize=10)
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
