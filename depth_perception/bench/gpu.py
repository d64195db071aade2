"""Everything that is asked of a GPU, in one run: speed, memory, and what half precision changes.

The same script runs with small models on a CPU, so that it can be tested without a GPU; its
figures then mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from ..systems.catalog import DEFAULT_MODEL
from .depth import Scene, bench_estimator, relative_differences
from .machine import bench_device, hardware
from .measure import size_bytes
from .options import Estimator, Gpu, Network, Ppd, Precision
from .ppd import bench_ppd
from .result import Result

_HALF_LIMITS = 0.005, 0.02  # median, 99th percentile


@dataclass(frozen=True)
class GpuPlan:
    """Models and sizes.

    Attributes:
        device: where.
        model, heights: of the Depth Anything family; the first height is that of the speed, the
            others those of the memory.
        image_height: rows of the image.
        ppd, ppd_size, ppd_steps: Pixel-Perfect Depth, rows and columns.
        half: the precision that is compared with float32.
        trained: the model with weights of its own whose change by half precision is measured.
        others: further models, each at its default size with random weights.
        repeats: timed runs of each variant.
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
    others: tuple[str, ...] = (
        "da360-small", "da360-base", "da360-large", "dap-large", "da2-large", "da3-metric-large",
        "da3-mono-large", "moge-3-vitl", "eomt-small", "eomt-base", "eomt-large",
        "panolite-metric",
    )  # fmt: skip
    repeats: int = 10
    memory_limits_gb: tuple[float, ...] = (6.0, 24.0)

    def __post_init__(self) -> None:
        if len(self.memory_limits_gb) != len(self.heights) - 1:
            count = len(self.heights)
            raise ValueError(f"{count} heights need {count - 1} limits of memory")


TINY = GpuPlan(
    device="cpu", model="panda-tiny", heights=(56, 112, 168), image_height=64,
    ppd="ppd-tiny", ppd_size=(32, 48), ppd_steps=2, half="bfloat16", repeats=1,
    others=("da3-tiny", "eomt-tiny"),
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One figure: what was measured, its value and what is wanted as text, whether that holds.

    ``wanted`` is empty and ``holds`` None where nothing is.
    """

    what: str
    value: str
    wanted: str = ""
    holds: bool | None = None


@dataclass(frozen=True)
class Job:
    """A part of the run: what it does, and how; it returns figures and full results."""

    what: str
    run: Callable[[], tuple[list[Finding], list[Result]]]


Overhead = Callable[[Network], Result]
"""Network against image to message bytes; handed in, as messages need ROS."""


def bench_gpu(options: Gpu) -> Iterator[Result]:
    """Run all jobs, one result each, then every figure beside what is wanted of it.

    Raises:
        ValueError: there is no such GPU.
    """
    plan = TINY if options.tiny else GpuPlan(device=options.device, repeats=options.repeats)
    overhead: Overhead | None = None
    try:
        from .ros.cloud import bench_overhead as overhead
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("sensor_msgs", "std_msgs", "rclpy"):
            raise
    if options.plan:
        told = (f"would run on {plan.device}: {job.what}"
                for job in jobs(replace(plan, device="cpu"), overhead))  # fmt: skip
        yield Result("", hardware(torch.device("cpu")), lines=tuple(told))
        return
    if not options.tiny and not torch.cuda.is_available():
        raise ValueError(
            "this bench needs a CUDA GPU and there is none here; --plan prints what it would "
            "run, --tiny runs the same script with small models on the CPU"
        )
    machine = hardware(bench_device(plan.device))
    if overhead is None:
        note = "ROS is not installed: image to message bytes is left out"
        yield Result("", machine, lines=(note,))
    findings: list[Finding] = []
    results: list[Result] = []
    for job in jobs(plan, overhead):
        yield Result("", machine, lines=(f"\n{job.what}",))
        found, full = job.run()
        findings += found
        results += full
        for result in full:
            yield replace(result, name="", lines=("; ".join(result.lines[:2]),))
    verdicts = {False: "MISSED", True: "holds", None: ""}
    yield Result(
        "gpu",
        machine,
        ("figure", "found", "wanted", ""),
        tuple((f.what, f.value, f.wanted, verdicts[f.holds]) for f in findings),
        figures={
            "bench": "gpu",
            "plan": vars(plan),
            "findings": [vars(finding) for finding in findings],
            "reports": [result.figures for result in results],
        },
        text_columns=4,
    )


def jobs(plan: GpuPlan, overhead: Overhead | None = None) -> tuple[Job, ...]:
    """All parts, none of them run yet. Without ``overhead`` that part is left out.

    Raises:
        ValueError: the device is not there.
    """
    bench_device(plan.device)
    shared = {"device": plan.device, "repeats": plan.repeats, "image_height": plan.image_height}
    base = Estimator(model=plan.model, height=plan.heights[0], precision=plan.half, **shared)
    alone = replace(base, with_plain=False)
    size = f"{2 * plan.heights[0]}x{plan.heights[0]}"
    found = [Job(f"{plan.model} {size}: {plan.half} against plain float32", lambda: _speed(base))]
    for height, limit in zip(plan.heights[1:], plan.memory_limits_gb, strict=True):
        large = replace(alone, height=height, repeats=1)
        what = f"{plan.model} {2 * height}x{height}: memory"
        found.append(Job(what, lambda large=large, limit=limit: _memory(large, limit)))
    rows, columns = plan.ppd_size
    found.append(Job(f"{plan.ppd} {columns}x{rows}, {plan.ppd_steps} steps", lambda: _ppd(plan)))
    if overhead is not None:
        what = f"{plan.model} {size}: image to message bytes"
        found.append(Job(what, lambda: _overhead(overhead(alone))))
    for options, weights in (
        (replace(alone, random_weights=True), "random"),
        (replace(alone, model=plan.trained, height=None), "trained"),
    ):
        what = f"{options.model}, {weights} weights: what {plan.half} changes"
        found.append(Job(what, lambda options=options: (_half(options), [])))
    for model in plan.others:
        other = replace(base, model=model, height=None, random_weights=True)
        what = f"{model}, default size: {plan.half} against plain float32"
        found.append(Job(what, lambda other=other: _other(other)))
    return tuple(found)


def _speed(options: Estimator) -> tuple[list[Finding], list[Result]]:
    result = bench_estimator(options)
    (stage,) = result.stages
    times, share = stage.speedup(1), result.figures["stages"][0]["contenders"][1]["of_ceiling"]
    return [
        Finding("estimator, times the plain one", f"{times:.2f} x", ">= 8 x", times >= 8),
        Finding("estimator, of the matrix product", f"{share:.0%}", ">= 50 %", share >= 0.5),
    ], [result]


def _other(options: Estimator) -> tuple[list[Finding], list[Result]]:
    result = bench_estimator(options)
    (stage,) = result.stages
    ours = stage.measurements[1]
    value = (
        f"{stage.speedup(1):.2f} x, {1e3 * ours.median_s:.1f} ms, {ours.peak_bytes / 1e9:.2f} GB"
    )
    return [Finding(f"{options.model}, times the plain one, time, memory", value)], [result]


def _memory(options: Estimator, limit_gb: float) -> tuple[list[Finding], list[Result]]:
    result = bench_estimator(options)
    scene = Scene(options, bench_device(options.device))
    network = scene.estimators["torch"].network
    weights = size_bytes(network.parameters())
    used = (result.stages[0].measurements[0].peak_bytes + weights) / 1e9
    what = f"memory at {scene.size[1]}x{scene.size[0]}, with weights"
    return [Finding(what, f"{used:.2f} GB", f"< {limit_gb:g} GB", used < limit_gb)], [result]


def _ppd(plan: GpuPlan) -> tuple[list[Finding], list[Result]]:
    size = dict(zip(("height", "width"), plan.ppd_size, strict=True))
    shared = {"steps": plan.ppd_steps, "repeats": plan.repeats, "device": plan.device}
    options = Ppd(model=plan.ppd, **size, **shared)  # type: ignore[arg-type]
    plain, half = bench_ppd(options), bench_ppd(replace(options, precision=plan.half))
    whole = [next(s for s in r.stages if s.work == "image to depth") for r in (plain, half)]
    times = whole[0].measurements[0].median_s / whole[1].measurements[1].median_s
    what = f"{plan.ppd} in {plan.half}, times the plain float32"
    return [Finding(what, f"{times:.2f} x", ">= 4 x", times >= 4)], [plain, half]


def _overhead(result: Result) -> tuple[list[Finding], list[Result]]:
    network, whole = result.stages[0].measurements
    more = whole.median_s / network.median_s - 1
    what = "image to message bytes, beyond the network"
    return [Finding(what, f"{more:+.1%}", "<= 10 %", more <= 0.1)], [result]


def _half(options: Estimator) -> list[Finding]:
    device, values = bench_device(options.device), []
    with torch.inference_mode():
        for precision in ("float32", options.precision):
            scene = Scene(replace(options, precision=precision), device)
            values.append(scene.estimators["torch"](scene.image).values.float().cpu())
    _, *shares = (found.largest for found in relative_differences("half", *values))
    what = f"{options.model}: change by {options.precision}"
    return [
        Finding(f"{what}, {name}", f"{share:.2%}", f"<= {limit:.1%}", share <= limit)
        for name, share, limit in zip(("median", "p99"), shares, _HALF_LIMITS, strict=True)
    ]
