"""Plain and our way of the Depth Anything family agree; the script for a GPU runs without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from depth_perception.bench.depth import (
    Scene,
    bench_network,
    output_differences,
    relative_differences,
)
from depth_perception.bench.gpu import TINY, GpuPlan, jobs
from depth_perception.bench.machine import torch_threads
from depth_perception.bench.options import Network
from depth_perception.bench.plain_depth import plain_network, plain_values
from depth_perception.bench.plain_eomt import merged_queries
from depth_perception.cli.main import main
from depth_perception.segment_classes import COCO_PANOPTIC
from depth_perception.systems import build_network
from depth_perception.systems.eomt.config import EomtLimits
from depth_perception.systems.eomt.segments import candidates, panoptic_map

MODELS = (
    "da360-tiny", "dap-tiny", "da2-tiny", "da3-tiny", "moge-3-tiny", "eomt-tiny", "panolite-tiny",
)  # fmt: skip
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


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_a_straightforward_way_beside_it(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["bench", "estimator", model, "--random-weights", "--device", "cpu", "--once"]
    command += ["--threads", "1", "--image-height", "72", "--json", str(tmp_path / "b.json")]
    assert main(command) == 0
    assert "once" in capsys.readouterr().out
    (stage,) = json.loads((tmp_path / "b.json").read_text())["stages"]
    plain, ours = stage["contenders"]
    assert plain["flop"] >= 0.98 * ours["flop"] > 1e6
    assert min(plain["peak_bytes"], ours["peak_bytes"]) > 72 * 96
    assert len(ours["seconds"]) == 1
    apart = {d["what"]: d["largest"] / d["scale"] for d in stage["differences"]}
    assert apart.pop("torch p99", 0) < 1e-4
    assert apart.keys() <= {"torch max", "torch median", "torch valid differing pixels",
                            "torch segments differing pixels"}  # fmt: skip
    assert all(value < 1e-2 for value in apart.values())


@pytest.mark.parametrize("model", MODELS)
def test_random_weights_give_results_to_compare(model: str) -> None:
    options = Network(model=model, random_weights=True, image_height=72)
    with torch.inference_mode():
        scene = Scene(options, torch.device("cpu"))
        plain, ours = (run() for run in scene.networks().values())
        parts = scene.from_image()["torch"]()
    assert plain.keys() == ours.keys()
    for name, value in ours.items():
        assert value.numel() == 1 or value.std() > 0.02 * value.abs().mean(), name
        torch.testing.assert_close(plain[name], value, rtol=1e-3, atol=1e-3)
    if "segments" in parts:
        assert parts["segments"].any()
    else:
        assert parts["valid"].float().mean() > 0.05


def test_segments_merged_one_by_one_are_those_of_the_estimator() -> None:
    generator = torch.Generator().manual_seed(2)
    centres = 32 * torch.rand(12, 2, 1, 1, generator=generator)
    place = torch.stack(torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij"))
    masks = 6 - (place - centres).square().sum(1) / 8  # discs that overlap
    classes = torch.full((12, len(COCO_PANOPTIC) + 1), -9.0)
    classes[torch.arange(12), torch.tensor([0, 0, 90, 90, 90, 5, 133, 7, 7, 100, 100, 3])] = 3.0
    limits = EomtLimits(score=0.8, overlap=0.6)
    ids, _ = panoptic_map(candidates(masks, classes, limits.score), COCO_PANOPTIC, limits)
    assert torch.equal(merged_queries(masks, classes, COCO_PANOPTIC, limits), ids)
    assert len(ids.unique()) > 4
    nothing = merged_queries(masks, torch.zeros_like(classes), COCO_PANOPTIC)
    assert not nothing.any()


def test_differences_of_masks_and_of_what_is_valid_in_both() -> None:
    valid = torch.tensor([True, True, False])
    one = {"": torch.tensor([1.0, 2.0, torch.inf]), "valid": valid}
    other = {"": torch.tensor([1.0, 9.0, 5.0]), "valid": torch.tensor([True, False, True])}
    found = {d.what: d.largest for d in output_differences("x", one, other)}
    assert found == {"x max": 0, "x median": 0, "x p99": 0, "x valid differing pixels": 2}
    whole = {"": torch.ones(2), "valid": torch.ones(2, dtype=torch.bool)}
    assert [d.what for d in output_differences("x", whole, whole)] == ["x max", "x median", "x p99"]


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
        (["network", "scaledepth-tiny"], "there is a baseline for depth_anything"),
        (["network", "moge-3-tiny", "--height", "56"], "use num_tokens"),
        (["network", "eomt-tiny", "--height", "56"], "not an option of this model"),
        (["estimator", "panda-tiny", "--width", "56"], "width is for `bench network`"),
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
    assert len(parts) == 9
    findings = []
    for what, job in parts.items():
        if "steps" not in what and "trained" not in what:
            findings += job.run()[0]
    assert len(asked) == 1
    assert not asked[0].with_plain
    wanted = [finding.wanted for finding in findings]
    assert wanted == [
        ">= 8 x", ">= 50 %", "< 6 GB", "< 24 GB", "<= 10 %", "<= 0.5%", "<= 2.0%", "", "",
    ]  # fmt: skip
    assert [f.holds for f in findings if "GB" in f.wanted] == [True, True]
    assert findings[6].holds, "half precision must not change relative depth by more"
    assert findings[-1].holds is None
