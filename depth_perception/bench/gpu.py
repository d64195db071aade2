"""Everything that is asked of a GPU, in one run: speed, memory, and what half precision changes.

The same script runs with small models on a CPU, so that it can be tested without a GPU; its
figures then mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..options import Precision
from ..systems.catalog import DEFAULT_MODEL
from .depth import DepthBenchOptions, Scene, bench_depth, relative_differences
from .hardware import bench_device
from .ppd import PpdBenchOptions, bench_ppd
from .report import Report, document

_GB = 1e9
_HALF_MEDIAN, _HALF_P99 = 0.005, 0.02


@dataclass(frozen=True)
class GpuPlan:
    """Models and sizes.

    Attributes:
        device: where.
        model, heights: of the Depth Anything family; the first height is that of the speed, the
            others those of the memory.
        image_height: rows of the picture.
        ppd, ppd_size, ppd_steps: Pixel-Perfect Depth, rows and columns.
        half: the precision that is compared with float32.
        trained: the model with weights of its own whose change by half precision is measured.
        repeats: timed runs of each way.
        memory_limits_gb: one for each further height.
    """

    device: str = "cuda"
    model: str = "panda-large"
    heights: tuple[int, ...] = (504, 1008, 2016)
    image_height: int = 960
    ppd: str = "ppd-large"
    ppd_size: tuple[int, int] = (768, 1024)
    ppd_steps: int = 4
    half: Precision = "float16"
    trained: str = DEFAULT_MODEL
    repeats: int = 10
    memory_limits_gb: tuple[float, ...] = (6.0, 24.0)

    def __post_init__(self) -> None:
        if len(self.memory_limits_gb) != len(self.heights) - 1:
            raise ValueError(
                f"{len(self.heights)} heights need {len(self.heights) - 1} limits of memory"
            )


TINY = GpuPlan(
    device="cpu",
    model="panda-tiny",
    heights=(56, 112, 168),
    image_height=64,
    ppd="ppd-tiny",
    ppd_size=(32, 48),
    ppd_steps=2,
    half="bfloat16",
    repeats=1,
)


@dataclass(frozen=True)
class Finding:
    """One figure.

    Attributes:
        what: was measured.
        value: as text.
        wanted: as text.
        holds: whether the one is as the other asks.
    """

    what: str
    value: str
    wanted: str
    holds: bool


@dataclass(frozen=True)
class Job:
    """A part of the run: what it does, and how; it returns figures and full reports."""

    what: str
    run: Callable[[], tuple[list[Finding], list[Report]]]


Overhead = Callable[[DepthBenchOptions], Report]
"""Network against picture to message bytes; handed in, as messages need ROS."""


def jobs(plan: GpuPlan, overhead: Overhead | None = None) -> tuple[Job, ...]:
    """All parts, none of them run yet. Without ``overhead`` that part is left out.

    Raises:
        ValueError: the device is not there.
    """
    bench_device(plan.device)
    base = DepthBenchOptions(
        model=plan.model,
        image_height=plan.image_height,
        height=plan.heights[0],
        precision=plan.half,
        device=plan.device,
        repeats=plan.repeats,
    )
    size = f"{2 * plan.heights[0]}x{plan.heights[0]}"
    found = [Job(f"{plan.model} {size}: {plan.half} against plain float32", lambda: _speed(base))]
    for height, limit in zip(plan.heights[1:], plan.memory_limits_gb, strict=True):
        large = replace(base, height=height, with_plain=False, repeats=1)
        found.append(
            Job(
                f"{plan.model} {2 * height}x{height}: memory",
                lambda large=large, limit=limit: _memory(large, limit),
            )
        )
    rows, columns = plan.ppd_size
    found.append(Job(f"{plan.ppd} {columns}x{rows}, {plan.ppd_steps} steps", lambda: _ppd(plan)))
    if overhead is not None:
        found.append(
            Job(
                f"{plan.model} {size}: picture to message bytes",
                lambda: _overhead(overhead(replace(base, with_plain=False))),
            )
        )
    for model, weights in ((plan.model, "random"), (plan.trained, "trained")):
        options = replace(
            base,
            model=model,
            height=None if weights == "trained" else base.height,
            random_weights=weights == "random",
            with_plain=False,
        )
        found.append(
            Job(
                f"{model}, {weights} weights: what {plan.half} changes",
                lambda options=options: (_half(options), []),
            )
        )
    return tuple(found)


def summary(findings: list[Finding], reports: list[Report], plan: GpuPlan) -> dict[str, Any]:
    """Everything, as plain values."""
    return {
        "bench": "gpu",
        "plan": vars(plan),
        "findings": [vars(finding) for finding in findings],
        "reports": [document(report) for report in reports],
    }


def _speed(options: DepthBenchOptions) -> tuple[list[Finding], list[Report]]:
    report = bench_depth(options, "estimator")
    (stage,) = report.stages
    times, share = stage.speedup(1), stage.share(1, report.ceiling)
    return [
        Finding("estimator, times the plain one", f"{times:.2f} x", ">= 8 x", times >= 8),
        Finding("estimator, of the matrix product", f"{share:.0%}", ">= 50 %", share >= 0.5),
    ], [report]


def _memory(options: DepthBenchOptions, limit_gb: float) -> tuple[list[Finding], list[Report]]:
    report = bench_depth(options, "estimator")
    scene = Scene(options, bench_device(options.device))
    network = scene.estimators["torch"].network
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    used = (report.stages[0].measurements[0].peak_bytes + weights) / _GB
    what = f"memory at {options.size[1]}x{options.size[0]}, with weights"
    return [Finding(what, f"{used:.2f} GB", f"< {limit_gb:g} GB", used < limit_gb)], [report]


def _ppd(plan: GpuPlan) -> tuple[list[Finding], list[Report]]:
    options = PpdBenchOptions(
        model=plan.ppd,  # type: ignore[arg-type]
        height=plan.ppd_size[0],
        width=plan.ppd_size[1],
        steps=plan.ppd_steps,
        repeats=plan.repeats,
        device=plan.device,
    )
    plain, half = bench_ppd(options), bench_ppd(replace(options, precision=plan.half))
    slow = _stage_named(plain, "picture to depth").measurements[0].median_s
    fast = _stage_named(half, "picture to depth").measurements[1].median_s
    times = slow / fast
    what = f"{plan.ppd} in {plan.half}, times the plain float32"
    return [Finding(what, f"{times:.2f} x", ">= 4 x", times >= 4)], [plain, half]


def _overhead(report: Report) -> tuple[list[Finding], list[Report]]:
    network, whole = report.stages[0].measurements
    more = whole.median_s / network.median_s - 1
    what = "picture to message bytes, beyond the network"
    return [Finding(what, f"{more:+.1%}", "<= 10 %", more <= 0.1)], [report]


def _half(options: DepthBenchOptions) -> list[Finding]:
    device = bench_device(options.device)
    with torch.inference_mode():
        values = []
        for precision in ("float32", options.precision):
            scene = Scene(replace(options, precision=precision), device)
            estimator = scene.estimators["torch"]
            values.append(estimator(scene.picture).values.float().cpu())
    _, middle, high = relative_differences("half", *values)
    return [
        Finding(
            f"{options.model}: change by {options.precision}, {what}",
            f"{found.largest:.2%}",
            f"<= {limit:.1%}",
            found.largest <= limit,
        )
        for what, found, limit in (("median", middle, _HALF_MEDIAN), ("p99", high, _HALF_P99))
    ]


def _stage_named(report: Report, work: str) -> Any:
    return next(stage for stage in report.stages if stage.work == work)
