"""The benchmark of Pixel-Perfect Depth: its plain way is the original, and ours agrees with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from golden.ppd_reference import case

from depth_perception.bench import comparison
from depth_perception.bench.options import Ppd
from depth_perception.bench.plain_ppd import plain_sample, plain_times, plain_velocity
from depth_perception.bench.ppd import bench_ppd
from depth_perception.bench.result import Measurement
from depth_perception.cli.main import main
from depth_perception.systems.ppd.flow import sampling_times
from depth_perception.systems.ppd.transformer import SpDit, SpDitConfig

SMALL = ["--height", "32", "--width", "48", "--repeats", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def network() -> SpDit:
    network = SpDit(SpDitConfig(dim=64, depth=4, heads=4)).eval()
    state = case("dit-tiny-sample").state()
    network.load_state_dict({k.removeprefix("dit."): v for k, v in state.items()})
    return network.requires_grad_(False)


@pytest.mark.parametrize("steps", [4, 1, 2, 3, 10, 20])
def test_the_plain_way_is_the_original(network: SpDit, steps: int) -> None:
    reference = case("dit-tiny-sample")
    image, semantics, noise = (reference[f"in_{n}"] for n in ("image", "semantics", "noise"))
    depth = plain_sample(network, image, semantics, noise, plain_times(steps))
    reference.assert_close(depth, "out_depth" if steps == 4 else f"out_depth_steps{steps}")


def test_one_plain_evaluation_is_the_original(network: SpDit) -> None:
    reference = case("dit-tiny-forward-tall")
    inputs = (reference[f"in_{n}"] for n in ("x", "semantics"))
    velocity = plain_velocity(network, *inputs, reference["in_timestep"].int().reshape(-1))
    reference.assert_close(velocity, "out_velocity")


def test_plain_time_steps_are_the_published_ones() -> None:
    reference = case("sampling-timesteps")
    for name, expected in reference.arrays.items():
        assert list(plain_times(int(name.removeprefix("out_steps")))) == expected.tolist()
    surplus = [s for s in range(1, 51) if len(plain_times(s)) != len(sampling_times(s))]
    assert surplus == [29, 49]


def test_bench_ppd_finds_equal_maps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--json", str(tmp_path / "new" / "b.json"), "--markdown", str(tmp_path / "b.md")]
    assert main(["bench", "ppd", *SMALL, "--steps", "2", "--threads", "1", *files]) == 0
    content = json.loads((tmp_path / "new" / "b.json").read_text())
    assert content["settings"]["weights"] == "random"
    assert content["hardware"]["threads"] == 1
    assert content["ceiling"]["flop_per_s"] > 0
    works = [stage["work"] for stage in content["stages"]]
    assert works == [
        "one evaluation", "sampler", "image to depth", "image to depth + MoGe-2",
    ]  # fmt: skip
    for stage in content["stages"]:
        plain, ours = stage["contenders"]
        assert (plain["name"], ours["name"]) == ("plain", "ours")
        assert plain["evaluations"] == ours["evaluations"]
        assert ours["flop"] < plain["flop"]
        assert min(plain["peak_bytes"], ours["peak_bytes"]) > 32 * 48 * 4
        for difference in stage["differences"]:
            assert difference["largest"] <= 1e-4 * max(1, difference["scale"])
            assert difference["scale"] > 0.1, "a map of nothing proves nothing"
    shown = capsys.readouterr().out
    assert "weights random" in shown
    assert "GFLOP/s" in shown
    assert "| sampler | plain |" in (tmp_path / "b.md").read_text()


def test_a_surplus_evaluation_is_counted_and_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    def unmeasured(variants, *_args, **_options):
        return tuple(Measurement(v.name, (1.0,), 0, 0, (), v.evaluations) for v in variants)

    monkeypatch.setattr(comparison, "measure", unmeasured)
    result = bench_ppd(Ppd(height=16, width=32, steps=29, repeats=1))
    sampler = result.stages[1]
    assert [m.evaluations for m in sampler.measurements] == [30, 29]
    assert sampler.differences[0].largest < 1e-4 * max(1, sampler.differences[0].scale)
    assert any("30 evaluations for 29 steps" in line for line in result.lines)


def test_weights_that_are_there_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTH_PERCEPTION_HOME", str(tmp_path))
    from depth_perception.systems import build_network, weights_path

    moge, dit = case("moge-tiny-infer"), build_network("ppd-tiny")
    for name in ("moge-2-tiny", "ppd-tiny"):
        weights_path(name).parent.mkdir(parents=True, exist_ok=True)
    content = {"model_config": moge.entry["constructor"], "model": moge.state()}
    torch.save(content, weights_path("moge-2-tiny"))
    names = dit.official_names()
    torch.save({names[k]: v for k, v in dit.state_dict().items()}, weights_path("ppd-tiny"))
    options = Ppd(height=32, width=48, steps=1, repeats=1)
    assert bench_ppd(options).figures["settings"]["weights"] == "fetched"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--height", "40"], "height must be a multiple of 16, at least 16, got 40"),
        (["--steps", "0"], "steps must be in 1..1000, got 0"),
        (["--repeats", "0"], "repeats must lie between 1 and inf, got 0"),
        (["--threads", "0"], "threads must lie between 1 and inf, got 0"),
        (["--device", "gpu"], "no device 'gpu'"),
    ],
)
def test_bad_options_are_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "ppd", *SMALL, *options]) == 1
    assert message in capsys.readouterr().err
