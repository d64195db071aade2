"""The harness on work whose numbers are known. Nothing here asserts a time."""

from __future__ import annotations

import pytest
import torch

from depth_perception.bench.comparison import comparison
from depth_perception.bench.machine import hardware, load_note, measure_ceiling, torch_threads
from depth_perception.bench.measure import Variant, differences, flop_of, measure, peak_bytes
from depth_perception.bench.options import Network, Repeated
from depth_perception.bench.result import Measurement, Stage
from depth_perception.cli.main import main

CPU = torch.device("cpu")
KILO = torch.zeros(1000, dtype=torch.float32)


def test_peak_is_what_is_alive_at_once() -> None:
    def one_after_the_other() -> None:
        for _ in range(10):
            KILO + 1

    def together() -> None:
        kept = [KILO + 1 for _ in range(10)]
        kept.clear()

    slack = 2000  # the allocator rounds
    assert 4000 <= peak_bytes(one_after_the_other, CPU) <= 2 * 4000 + slack
    assert 40_000 <= peak_bytes(together, CPU) <= 40_000 + slack


def test_operations_of_products_and_attention() -> None:
    left, right = torch.zeros(3, 5), torch.zeros(5, 7)
    assert flop_of(lambda: left @ right) == 2 * 3 * 5 * 7
    tokens = torch.zeros(1, 2, 6, 4)
    attention = torch.nn.functional.scaled_dot_product_attention
    with torch.inference_mode():
        assert flop_of(lambda: attention(tokens, tokens, tokens)) == 4 * 2 * 6 * 6 * 4


def test_variants_alternate() -> None:
    calls: list[str] = []

    def variant(name: str) -> Variant:
        return Variant(name, lambda: (calls.append(name), KILO)[1:])

    first, second = measure([variant("a"), variant("b")], CPU, repeats=3, warm_up=2)
    assert len(first.seconds) == len(second.seconds) == 3
    assert calls[:4] == ["a", "a", "b", "b"]
    assert calls[4:10] == ["a", "b", "b", "a", "a", "b"]
    with pytest.raises(ValueError, match="warm_up must lie between 1 and inf, got 0"):
        Network(model="panda-tiny", warm_up=0).check()


def test_the_contenders_of_a_comparison_take_turns() -> None:
    calls: list[str] = []

    def variant(name: str) -> Variant:
        return Variant(name, lambda: (calls.append(name), KILO)[1:])

    options = Repeated(device="cpu", threads=1, repeats=4, warm_up=1)
    with comparison(options) as bench:
        stage = bench.stage("nothing", [variant(name) for name in ("plain", "by point", "ours")])
    turn, back = ["plain", "by point", "ours"], ["ours", "by point", "plain"]
    assert calls[:3] == turn  # the warm-up
    assert calls[3:15] == [*turn, *back, *turn, *back]  # the timed runs
    assert [m.name for m in stage.measurements] == turn
    assert all(len(m.seconds) == len(m.cpu_seconds) == 4 for m in stage.measurements)


def test_speedup_and_difference() -> None:
    slow = Measurement("plain", (4.0, 9.0, 6.0), 10, 12)
    fast = Measurement("ours", (2.0, 3.0, 2.5), 10, 12)
    assert slow.median_s == 6
    assert slow.flop_per_s == 2
    stage = Stage("x", (slow, fast))
    assert stage.speedup(1) == pytest.approx(2.4)
    (found,) = differences(["map"], [torch.tensor([1.0, -4.0])], [torch.tensor([1.5, -4.0])])
    assert (found.what, found.largest, found.scale) == ("map", 0.5, 4.0)


def test_the_ceiling_is_measured_in_the_precision_asked_for() -> None:
    ceiling = measure_ceiling(CPU, "bfloat16", matrix_size=32, copy_bytes=4096, repeats=1)
    assert (ceiling.precision, ceiling.matrix_size) == ("bfloat16", 32)
    assert min(ceiling.flop_per_s, ceiling.copy_bytes_per_s) > 0


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with torch_threads(1):
        assert hardware(CPU).threads == 1
    assert torch.get_num_threads() == before


def test_a_busy_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr("os.getloadavg", lambda: (1.0, 9.0, 9.0))
    assert load_note() == ()
    monkeypatch.setattr("os.getloadavg", lambda: (7.25, 0.0, 0.0))
    assert "load 7.2 on 4 cores" in load_note()[0]


def test_the_machine_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "machine", "--device", "cpu", "--threads", "1"]) == 0
    shown = capsys.readouterr().out
    assert "1 CPU threads" in shown
    assert "matrix product of 2048" in shown
