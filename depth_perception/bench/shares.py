"""Where the time of a network goes: the operations that PyTorch's profiler names, in groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from .depth import DepthBenchOptions, Scene
from .hardware import Hardware, bench_device, hardware, load_note, torch_threads
from .plain_depth import plain_values

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


@dataclass(frozen=True)
class Shares:
    """Processor (or device) seconds of one run by group, for each way.

    Attributes:
        seconds: way to group to seconds; all ways have all groups.
        hardware: the machine.
        settings: what was asked for.
        notes: what a reader has to know.
    """

    seconds: Mapping[str, Mapping[str, float]]
    hardware: Hardware
    settings: Mapping[str, Any]
    notes: tuple[str, ...]


def bench_shares(options: DepthBenchOptions) -> Shares:
    """Profile the plain network and ours in PyTorch, after a warm-up.

    Raises:
        KeyError, ValueError: no such model, size or device; a backend other than torch.
    """
    if options.backends != ("torch",):
        raise ValueError("the profiler sees inside of torch only: leave backends out")
    device, busy = bench_device(options.device), load_note()
    with torch_threads(options.threads), torch.inference_mode():
        scene = Scene(options, device)
        plain, ours, images = scene.plain, scene.estimators["torch"], scene.images
        ways: dict[str, Callable[[], object]] = {"ours": lambda: ours._run(images, False)}
        if plain is not None:
            ways = {"plain": lambda: plain_values(plain, images), **ways}
        seconds = {name: seconds_by_group(run, device) for name, run in ways.items()}
        settings = {
            "model": options.model,
            "weights": scene.weights,
            "input": f"{options.size[1]}x{options.size[0]}",
            "precision": options.precision,
        }
        return Shares(seconds, hardware(device), settings, busy)


def seconds_by_group(run: Callable[[], object], device: torch.device) -> dict[str, float]:
    """Seconds of one run, after another one, in each of :data:`GROUPS` and :data:`OTHER`."""
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    run()
    with profile(activities=activities) as seen:
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    found = dict.fromkeys((*GROUPS, OTHER), 0.0)
    for event in seen.key_averages():
        spent = event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
        found[group_of(event.key)] += spent / 1e6
    return found


def group_of(operation: str) -> str:
    """The group of an operation, by the longest beginning of a name that fits."""
    fits = {
        beginning: group
        for group, beginnings in GROUPS.items()
        for beginning in beginnings
        if operation.startswith(beginning)
    }
    return fits[max(fits, key=len)] if fits else OTHER


def table(shares: Shares) -> Table:
    """Milliseconds and shares on a terminal."""
    result = Table(box=SIMPLE_HEAD, pad_edge=False)
    result.add_column("operations", no_wrap=True)
    for way in shares.seconds:
        for title in (f"{way} ms", "share"):
            result.add_column(title, justify="right", no_wrap=True)
    totals = {way: sum(parts.values()) for way, parts in shares.seconds.items()}
    for group in (*GROUPS, OTHER, "all"):
        cells = []
        for way, parts in shares.seconds.items():
            spent = totals[way] if group == "all" else parts[group]
            cells += [f"{1e3 * spent:.1f}", f"{spent / totals[way]:.0%}"]
        result.add_row(group, *cells)
    return result


def document(shares: Shares) -> dict[str, Any]:
    """Everything, as plain values."""
    return {"bench": "profile", **asdict(shares)}


def draw(shares: Shares, path: Path) -> None:
    """A bar for each way, as long as its time, in the colours of the groups."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 1.6 + 0.7 * len(shares.seconds)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    names, colours = (*GROUPS, OTHER), colormaps["tab10"].colors
    ways = list(shares.seconds)
    reached = [0.0] * len(ways)
    for group, colour in zip(names, colours[: len(names)], strict=True):
        lengths = [1e3 * shares.seconds[way][group] for way in ways]
        if not any(lengths):
            continue
        axes.barh(ways, lengths, left=reached, color=colour, label=group, height=0.6)
        reached = [a + b for a, b in zip(reached, lengths, strict=True)]
    for place, total in enumerate(reached):
        axes.text(total, place, f" {total:.0f} ms", va="center")
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(reached))
    axes.set_xlabel("time, ms")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(", ".join((*shares.settings.values(), shares.hardware.device)), fontsize=10)
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
