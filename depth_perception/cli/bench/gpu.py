"""``depth-perception bench gpu``: job by job, what was found and what was wanted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from .output import Output, show_table

if TYPE_CHECKING:
    from ...bench.depth import DepthBenchOptions
    from ...bench.gpu import Finding, Overhead
    from ...bench.report import Report


@dataclass(frozen=True)
class Gpu:
    """All that is asked of a GPU in one run: speed, memory, overhead, half precision.

    Attributes:
        device: which GPU.
        plan: only say what would be run.
        tiny: small models on the CPU, to see that the script works; the figures mean nothing.
        repeats: timed runs of each way.
        output: where results go besides the terminal.
    """

    device: str = "cuda"
    plan: bool = False
    tiny: bool = False
    repeats: int = 10
    output: Output = field(default_factory=Output)

    def run(self, console: Console) -> None:
        """Run all jobs and print every figure beside what is wanted of it.

        Raises:
            ValueError: there is no such GPU.
        """
        import torch

        from ...bench.gpu import TINY, GpuPlan, jobs, summary
        from ...bench.hardware import bench_device, hardware
        from ...bench.report import lines, table

        plan = TINY if self.tiny else GpuPlan(device=self.device, repeats=self.repeats)
        if self.plan:
            for job in jobs(replace(plan, device="cpu"), _overhead()):
                console.print(f"would run on {plan.device}: {job.what}")
            return
        if not self.tiny and not torch.cuda.is_available():
            raise ValueError(
                "this bench needs a CUDA GPU and there is none here; --plan says what it would "
                "run, --tiny runs the same script with small models on the CPU"
            )
        findings: list[Finding] = []
        reports: list[Report] = []
        overhead = _overhead()
        if overhead is None:
            console.print("ROS is not installed: picture to message bytes is left out")
        for job in jobs(plan, overhead):
            console.print(f"\n{job.what}")
            found, full = job.run()
            findings += found
            reports += full
            for report in full:
                show_table(table(report), console)
                console.print("; ".join(lines(report)[:2]))
        show_table(_table(findings), console)
        machine = hardware(bench_device(plan.device))
        self.output.save("gpu", machine, summary(findings, reports, plan))


def _overhead() -> Overhead | None:
    try:
        from ...bench.ros.overhead import bench_overhead
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("sensor_msgs", "std_msgs", "rclpy"):
            raise
        return None

    def run(options: DepthBenchOptions) -> Report:
        return bench_overhead(options)

    return run


def _table(findings: list[Finding]) -> Table:
    result = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("figure", "found", "wanted", ""):
        result.add_column(title, no_wrap=True)
    for finding in findings:
        verdict = "holds" if finding.holds else "MISSED"
        result.add_row(finding.what, finding.value, finding.wanted, verdict)
    return result
