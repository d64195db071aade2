"""Damaged inputs of every kind are accepted or refused in words; see `make fuzz` for many more."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz.campaign import surfaces
from fuzz.surfaces import MOST_BYTES, Surface, memory_bytes, text_faults, trial
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KINDS = surfaces()
EXAMPLES = {"node messages": 250, "checkpoints": 250, "bags": 80, "images": 200}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def surface(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Surface]:
    made: Surface = request.param(tmp_path_factory.mktemp("fuzz"))
    yield made
    made.close()


def test_every_input_is_accepted_or_refused_in_words(surface: Surface) -> None:
    trial(surface, 10**12)
    idle = memory_bytes()

    @settings(
        max_examples=EXAMPLES.get(surface.name, 100),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(number=st.integers(0, 2**32 - 1))
    def check(number: int) -> None:
        found = trial(surface, number, idle)
        slow = tuple(fault for fault in found.faults if fault.startswith("took"))
        assert found.faults == slow, f"{surface.name}, input {number}: {found.faults}"
        assert found.grown_bytes < MOST_BYTES
        assert found.seconds < 20, "a busy machine is no reason for so much more than 2 s"

    check()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "without a word"),
        ("name 5", None),
        ("a.npy: use allow_pickle=True", "words of a library"),
        ("a.png is damaged", "without a remedy"),
        ("fetch it again", "names no value"),
        ("fetch \x1b[2J 5 again", "cannot be printed"),
        ("name 5" * 1000, "characters"),
        ("list index out of range: use 5", "words of a library"),
    ],
)
def test_the_judge_of_refusals_judges(text: str, fault: str | None) -> None:
    faults = list(text_faults(text))
    assert any(fault in item for item in faults) if fault else not faults


class _Sleeping(Surface):
    name, refusals = "sleeping", (ValueError,)

    def make(self, rng: object) -> None:
        return None

    def feed(self, item: object) -> None:
        raise UnicodeDecodeError("utf-8", b"x", 0, 1, "invalid start byte")


def test_a_subclass_of_a_refusal_is_none() -> None:
    (fault,) = trial(_Sleeping(), 0).faults
    assert "UnicodeDecodeError instead of a refusal" in fault


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="Linux alone tells")
def test_memory_of_an_input_is_measured() -> None:
    class Hungry(_Sleeping):
        def feed(self, item: object) -> None:
            assert len(bytearray(b"x") * (64 << 20)) == 64 << 20

    assert trial(Hungry(), 0, memory_bytes()).grown_bytes > 60 << 20


def test_the_same_number_is_the_same_input(tmp_path: Path) -> None:
    kinds = ("images", "checkpoints", "recipes", "file names")
    for name in kinds:
        made = [KINDS[name](tmp_path / f"{name}{k}") for k in range(2)]
        items = [surface.make(random.Random(7)) for surface in made]
        assert repr(items[0]) == repr(items[1]), name
