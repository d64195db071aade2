"""``depth-perception bench``: published programs and ours, measured in one run."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Annotated, Union

import tyro

from ...bench import options
from ...bench.result import Result
from ..terminal import failed, plain_console

# Name on the command line, options, and the module and function that measure.
BENCHES = (
    ("ppd", options.Ppd, "ppd", "bench_ppd"),
    ("panoptic", options.Panoptic, "panoptic", "bench_panoptic"),
    ("machine", options.Machine, "machine", "bench_machine"),
    ("network", options.Network, "depth", "bench_network"),
    ("estimator", options.Estimator, "depth", "bench_estimator"),
    ("profile", options.Profile, "profile", "bench_profile"),
    ("cloud", options.Cloud, "ros.cloud", "bench_cloud"),
    ("node", options.Node, "ros.node", "bench_node"),
    ("soak", options.Soak, "ros.soak", "bench_soak"),
    ("gpu", options.Gpu, "gpu", "bench_gpu"),
)
Bench = Union[  # noqa: UP007
    tuple(
        Annotated[kind, tyro.conf.subcommand(name, prefix_name=False)]
        for name, kind, _, _ in BENCHES
    )
]


def main(bench: tyro.conf.OmitArgPrefixes[Bench]) -> int:
    """Measure time, peak memory and results of a baseline and of ours in one run.

    Args:
        bench: what to measure.
    """
    console = plain_console()
    try:
        for result in _results(bench):
            result.show(console)
            if result.name:
                result.save(bench.output)
            if result.failure:
                raise RuntimeError(result.failure)
    except ModuleNotFoundError as error:
        name = error.name or ""
        is_ros = name.startswith(("rclpy", "ament", "depth_perception.msg"))
        if not is_ros and not name.endswith("_msgs"):
            raise
        return failed("bench", f"this bench needs ROS ({error})")
    except (KeyError, ValueError, OSError, RuntimeError) as error:
        return failed("bench", error)
    return 0


def _results(bench: options.Saved) -> Iterable[Result]:
    """Those of a bench, one by one as they come."""
    module, function = next((m, f) for _, kind, m, f in BENCHES if kind is type(bench))
    found = getattr(import_module(f"depth_perception.bench.{module}"), function)(bench)
    return [found] if isinstance(found, Result) else found
