"""One training step of the blind-spot VGG, RectNet and UResNet against the originals."""

from __future__ import annotations

import pytest
import torch
from golden.blindspot_reference import case, probe
from published.blindspot_published import PORT, CompatRectilinear
from published.losses import as_published

from depth_perception.systems import build_network
from depth_perception.training.blindspot.photometric import stereo_loss
from depth_perception.training.omnidepth.losses import RECTNET_LOSS, URESNET_LOSS, multi_scale_loss


def filled(model, golden):
    network = build_network(model)
    state = golden.state()
    names = network.official_names()
    network.load_state_dict({ours: state[theirs] for ours, theirs in names.items()})
    return network.train(), names


def check_step(golden, network, names, loss, optimizer, moved):
    golden.assert_close(loss.detach()[None], "out_loss")
    loss.backward()
    parameters = dict(network.named_parameters())
    for ours, theirs in names.items():
        norm = parameters[ours].grad.norm()[None]
        golden.assert_close(norm, f"gradnorm_{theirs}")
    optimizer.step()
    for ours, theirs in names.items():
        after = probe(theirs, parameters[ours].detach(), 4)
        golden.assert_close(after, f"after_{theirs}", atol=moved(theirs), rtol=0)


def test_a_step_of_the_blind_spot_vgg():
    golden = case("vgg-train-step")
    network, names = filled("blindspot-vgg", golden)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4, betas=(0.5, 0.999), eps=1e-8)
    left, right = golden.batch("seeds_left"), golden.batch("seeds_right")
    loss = stereo_loss(left, right, network(left), CompatRectilinear(), PORT).total
    check_step(golden, network, names, loss, optimizer, lambda name: 2.5e-5)


@pytest.mark.parametrize(
    ("model", "options"), [("rectnet", RECTNET_LOSS), ("uresnet", URESNET_LOSS)]
)
def test_a_step_of_omnidepth(model, options):
    golden = case(f"{model}-train-step")
    network, names = filled(f"omnidepth-{model}", golden)
    biases = [p for n, p in network.named_parameters() if n.endswith("bias")]
    weights = [p for n, p in network.named_parameters() if not n.endswith("bias")]
    optimizer = torch.optim.Adam([{"params": weights}, {"params": biases, "lr": 4e-4}], 2e-4)
    target, mask = golden.arrays["in_gt"], golden.arrays["in_mask"].bool()
    predictions = network(golden.batch("seeds"))
    loss = multi_scale_loss(predictions, target, mask, as_published(options))
    check_step(
        golden,
        network,
        names,
        loss,
        optimizer,
        lambda name: 1e-4 if name.endswith("bias") else 5e-5,
    )
