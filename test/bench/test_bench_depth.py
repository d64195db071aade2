"""Plain and our way of the Depth Anything family agree; the script for a GPU runs without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from depth_perception.bench.depth import Scene, bench_network, relative_differences
from depth_perception.bench.gpu import TINY, GpuPlan, jobs
from depth_perception.bench.machine import torch_threads
from depth_perception.bench.options import Network
from depth_perception.bench.plain_depth import plain_network, plain_values
from depth_perception.cli.main import main
from depth_perception.systems import build_network

SMALL = ["--height", "56", "--repeats", "1", "--device", "cpu", "--threads", "1"]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with torch_threads(1):
        yield


@pytest.mark.parametrize("model", ["panda-tiny", "panda-tiny-metric"])
def test_the_plain_way_gives_the_same_values(model: str) -> None:
    torch.manual_seed(1)
    network = build_network(model).eval()
    images = torch.randn(2, 3, 56, 112)
    with torch.inference_mode():
        plain = plain_network(network)
        assert not any(block.attn.fused_attn for block in plain.encoder.blocks)
        torch.testing.assert_close(
            plain_values(plain, images), network(images), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("part", ["network", "estimator"])
def test_bench_says_how_far_both_are_apart(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["bench", part, "panda-tiny", *SMALL, "--random-weights"]
    command += ["--folder", str(tmp_path / "kept")]
    command += ["--image-height", "60"] if part == "estimator" else []
    assert main(command) == 0
    (file,) = (tmp_path / "kept").iterdir()
    assert file.name.startswith(f"{part}-panda-tiny-112x56-")
    assert file.name.endswith("-1-threads.json")
    content = json.loads(file.read_text())
    (stage,) = content["stages"]
    plain, ours = stage["contenders"]
    assert (plain["name"], ours["name"]) == ("plain", "torch")
    assert plain["flop"] >= ours["flop"] > 1e6, "adapters that are folded in cost nothing"
    assert len(ours["cpu_seconds"]) == 1
    apart = {d["what"]: d["largest"] for d in stage["differences"]}
    assert apart.keys() == {"torch max", "torch median", "torch p99"}
    assert main([*command, "--precision", "bfloat16"]) == 0
    other = {path.name for path in (tmp_path / "kept").iterdir()} - {file.name}
    assert other == {file.name.replace("112x56-", "112x56-bfloat16-")}, "it has a file of its own"
    assert 0 < apart["torch max"] < 1e-3
    assert "weights random" in capsys.readouterr().out


def test_random_weights_give_a_map_that_varies() -> None:
    options = Network(model="panda-tiny", random_weights=True, height=56, repeats=1)
    with torch.inference_mode():
        values = (
            Scene(options, torch.device("cpu"))
            .estimators["torch"](torch.randint(0, 256, (60, 120, 3), dtype=torch.uint8))
            .values
        )
    assert values.std() > 0.02 * values.mean()


def test_relative_differences() -> None:
    expected = torch.full((100,), 2.0)
    found = expected.clone()
    found[7] = 3.0
    largest, middle, high = relative_differences("x", expected, found)
    assert (largest.largest, middle.largest) == (0.5, 0.0)
    assert high.largest < 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["network", "moge-2-tiny"], "there is a baseline for depth_anything"),
        (["network", "no-such"], "no-such"),
        (["estimator", "panda-tiny", "--backends", "abacus"], "abacus"),
        (
            ["estimator", "panda-tiny", "--image-height", "0"],
            "image_height must lie between 1 and inf, got 0",
        ),
        (["network", "panda-tiny", "--repeats", "0"], "repeats must lie between 1 and inf"),
    ],
)
def test_bad_options_are_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *options[:2], "--device", "cpu", *options[2:]]) == 1
    assert message in capsys.readouterr().err


def test_without_a_gpu_its_bench_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["bench", "gpu"]) == 1
    assert "needs a CUDA GPU" in capsys.readouterr().err
    assert main(["bench", "gpu", "--plan"]) == 0
    shown = capsys.readouterr().out
    for part in ("panda-large 1008x504: float16", "4032x2016: memory", "ppd-large 1024x768"):
        assert part in shown
    with pytest.raises(ValueError, match="no CUDA"):
        jobs(GpuPlan())
    with pytest.raises(ValueError, match="need 2 limits"):
        replace(TINY, memory_limits_gb=(1.0,))


def test_the_script_for_a_gpu_runs_on_a_cpu_with_small_models() -> None:
    asked: list[Network] = []

    def overhead(options: Network):
        asked.append(options)
        return bench_network(replace(options, with_plain=True))

    parts = {job.what: job for job in jobs(TINY, overhead)}
    assert len(parts) == 7
    findings = []
    for what, job in parts.items():
        if "steps" not in what and "trained" not in what:
            findings += job.run()[0]
    assert len(asked) == 1
    assert not asked[0].with_plain
    wanted = [finding.wanted for finding in findings]
    assert wanted == [
        ">= 8 x", ">= 50 %", "< 6 GB", "< 24 GB", "<= 10 %", "<= 0.5%", "<= 2.0%",
    ]  # fmt: skip
    assert [f.holds for f in findings if "GB" in f.wanted] == [True, True]
    assert findings[-1].holds, "half precision must not change relative depth by more"
