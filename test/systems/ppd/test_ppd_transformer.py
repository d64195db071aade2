"""The diffusion transformer and the sampler against the original."""

from __future__ import annotations

import math

import pytest
import torch
from golden.ppd_reference import Case, case, manifest
from torch import Tensor

from depth_perception.systems.ppd.blocks import rope_tables, rotate, time_sinusoids
from depth_perception.systems.ppd.flow import (
    ends_of,
    euler_step,
    noise_field,
    noised,
    sample,
    sampling_times,
)
from depth_perception.systems.ppd.transformer import SpDit, SpDitConfig

TINY = SpDitConfig(dim=64, depth=4, heads=4)


def _network(reference: Case) -> SpDit:
    network = SpDit(TINY).eval()
    network.load_state_dict({k.removeprefix("dit."): v for k, v in reference.state().items()})
    return network.requires_grad_(False)


def test_network_matches_the_original() -> None:
    reference = case("dit-tiny-forward")
    network = _network(reference)
    times = reference["in_timestep"].int()
    seen: dict[str, Tensor] = {}

    def keep(name: str):
        return lambda *call: seen.__setitem__(name, call[-1])

    network.blocks[0].register_forward_pre_hook(lambda _, inputs: keep("in")(inputs[0]))
    network.blocks[0].register_forward_hook(keep("block0"))
    network.blocks[1].register_forward_hook(keep("coarse"))
    network.blocks[2].register_forward_pre_hook(lambda _, inputs: keep("fused")(inputs[0]))
    network.blocks[3].register_forward_hook(keep("fine"))
    velocity = network(reference["in_x"], reference["in_semantics"], times)
    reference.assert_close(velocity, "out_velocity")
    reference.assert_close(network.t_embedder(times), "out_t_emb")
    assert len(seen) == 5
    for name, tokens in seen.items():
        reference.assert_close(tokens, f"out_tokens_{name}")


def test_tall_images_and_single_time_steps() -> None:
    reference = case("dit-tiny-forward-tall")
    network = _network(reference)
    x, semantics = reference["in_x"], reference["in_semantics"]
    for times in (reference["in_timestep"].int(), torch.tensor(750)):
        reference.assert_close(network(x, semantics, times), "out_velocity")
    # one time-step serves a whole batch
    both = network(x.repeat(2, 1, 1, 1), semantics.repeat(2, 1, 1), torch.tensor(750))
    reference.assert_close(both[1], "out_velocity")


def test_sampler_matches_the_original() -> None:
    reference = case("dit-tiny-sample")
    network = _network(reference)
    scene = network.scene(reference["in_image"] - 0.5, reference["in_semantics"])
    for steps in (4, 1, 2, 3, 10, 20):
        times = sampling_times(steps)
        plans = [network.modulations(torch.tensor([time])) for time in times]
        velocities, latents = [], []

        def velocity(latent: Tensor, index: int, plans=plans, kept=velocities, was=latents):
            was.append(latent)
            kept.append(network.velocity(latent, scene, plans[index]))
            return kept[-1]

        depth = sample(velocity, reference["in_noise"], times)
        if steps == 4:
            assert list(times) == reference["out_timesteps"].tolist()
            reference.assert_close(torch.cat(velocities), "out_velocities")
            reference.assert_close(torch.cat((*latents[1:], depth)), "out_latents")
        name = "out_depth" if steps == 4 else f"out_depth_steps{steps}"
        reference.assert_close(depth + 0.5, name)


@pytest.mark.parametrize("steps", range(1, 51))
def test_s_steps_are_s_evaluations(steps: int) -> None:
    times = sampling_times(steps)
    calls: list[int] = []

    def velocity(latent: Tensor, index: int) -> Tensor:
        calls.append(index)
        return torch.ones_like(latent)

    end = sample(velocity, torch.zeros(1, 1, 2, 2), times)
    assert calls == list(range(steps))
    torch.testing.assert_close(end, -torch.ones_like(end))  # from 1000 down to exactly 0
    assert times[0] == 1000
    assert min(times) >= 0
    assert sorted(set(times), reverse=True) == list(times)


def test_no_step_reads_anything_back_from_the_device() -> None:
    times = sampling_times(3)
    with torch.device("meta"):  # has no numbers: reading one raises
        network = SpDit(TINY).eval()
        scene = network.scene(torch.empty(2, 3, 32, 48), torch.empty(2, 6, TINY.semantic_dim))
        plans = [network.modulations(torch.tensor([now])) for now in times]
        noise = torch.empty(2, 1, 32, 48)
    depth = sample(lambda x, i: network.velocity(x, scene, plans[i]), noise, times)
    assert tuple(depth.shape) == (2, 1, 32, 48)


def test_time_steps_match_the_original() -> None:
    reference = case("sampling-timesteps")
    compared = 0
    for name, expected in reference.arrays.items():
        steps = int(name.removeprefix("out_steps"))
        # the original makes one too many for some counts; the first ones agree
        assert list(sampling_times(steps)) == expected[:steps].tolist()
        compared += steps
    assert compared > 100


def test_line_between_noise_and_depth_matches_the_original() -> None:
    reference = case("schedule")
    clean, noise, times = (reference[f"in_{name}"] for name in ("x0", "xT", "t"))
    latent, prediction = reference["out_x_t"], reference["in_pred"]
    reference.assert_close(noised(clean, noise, times), "out_x_t")
    reference.assert_close(noise - clean, "out_velocity_target")
    pred_clean, pred_noise = ends_of(prediction, latent, times)
    reference.assert_close(pred_clean, "out_pred_x0")
    reference.assert_close(pred_noise, "out_pred_xT")
    following = [int(t) for t in reference["out_next_t"]]
    steps = [
        euler_step(prediction[i], latent[i], int(times[i]), None if f < 0 else f)
        for i, f in enumerate(following)
    ]
    reference.assert_close(torch.stack(steps), "out_x_next")


def test_rotations_match_the_original() -> None:
    reference = case("rope")
    rows, columns = reference.options["grid"]
    tables = rope_tables(rows, columns, 16)
    reference.assert_close(rotate(reference["in_tokens"], tables), "out_rotated")
    reference.assert_close(tables.cos[:columns, 8:], "out_cos")
    reference.assert_close(tables.sin[:columns, 8:], "out_sin")


def test_time_sinusoids_match_the_original() -> None:
    reference = case("timestep-embedding")
    times, expected = reference["in_t"], reference["out_embedding"]
    found = time_sinusoids(times)
    # Processors round the exponential of a frequency up or down; times 1000 that is seen.
    frequency = torch.exp(-math.log(10000.0) * torch.arange(128) / 128)
    rounding = (times[:, None] * frequency * 2**-23).repeat(1, 2)
    excess = (found - expected).abs() - rounding
    assert excess.max() < reference.entry["atol"]
    assert (found - expected).abs().mean() < reference.entry["atol"] / 4


@pytest.mark.parametrize(("name", "config"), [("ppd-large", SpDitConfig()), ("dit-tiny", TINY)])
def test_every_parameter_has_its_official_name_and_shape(name: str, config: SpDitConfig) -> None:
    with torch.device("meta"):
        network = SpDit(config)
    names = network.official_names()
    ours = {names[key]: list(value.shape) for key, value in network.state_dict().items()}
    assert ours == {key: shape for key, (shape, _) in manifest(name).items()}


def test_half_precision_keeps_the_angles() -> None:
    reference = case("dit-tiny-forward")
    network = _network(reference)
    inputs = (reference["in_x"], reference["in_semantics"], reference["in_timestep"].int())
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(*inputs).float()
    difference = (rough - reference["out_velocity"]).abs()
    assert difference.mean() < 0.02
    assert rope_tables(48, 64, 64).cos.dtype == torch.float32


def test_inputs_that_do_not_fit_are_refused() -> None:
    network = SpDit(TINY)
    with pytest.raises(ValueError, match="multiples of 16"):
        network.scene(torch.zeros(1, 3, 40, 48), torch.zeros(1, 6, 1024))
    with pytest.raises(ValueError, match="2 x 3 tokens"):
        network.scene(torch.zeros(1, 3, 32, 48), torch.zeros(1, 5, 1024))
    for steps in (0, -1, 1001):
        with pytest.raises(ValueError, match=str(steps)):
            sampling_times(steps)
    with pytest.raises(ValueError, match="multiple of 4"):
        rope_tables(2, 2, 6)


def test_a_new_network_says_nothing() -> None:
    torch.manual_seed(0)
    network = SpDit(TINY)
    velocity = network(torch.randn(1, 4, 32, 32), torch.randn(1, 4, 1024), torch.tensor(500))
    assert velocity.abs().max() == 0
    velocity.sum().backward()
    assert network.final_layer.linear.weight.grad is not None


def test_noise_fields_repeat() -> None:
    assert torch.equal(noise_field(16, 32, 7), noise_field(16, 32, 7))
    assert not torch.equal(noise_field(16, 32, 7), noise_field(16, 32, 8))
    assert noise_field(64, 64, 0, count=3).std() == pytest.approx(1, abs=0.05)
