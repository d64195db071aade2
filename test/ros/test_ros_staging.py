"""Page-locked buffers, with a stand-in for CUDA: what is copied when."""

from __future__ import annotations

import pytest
import torch

from depth_perception.ros.messages import buffers
from depth_perception.ros.messages.buffers import PayloadBuffer, Staging

CPU = torch.device("cpu")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The CPU plays the device; what is asked of CUDA is noted."""
    noted: list[str] = []

    class Event:
        def record(self, stream: object) -> None:
            noted.append("record")

        def synchronize(self) -> None:
            noted.append("wait for the upload")

    class Stream:
        def synchronize(self) -> None:
            noted.append("wait for the device")

    real = torch.empty

    def empty(*size: object, pin_memory: bool = False, **options: object) -> torch.Tensor:
        if pin_memory:
            noted.append(f"lock {size[0]} bytes")
        return real(*size, **options)

    monkeypatch.setattr(buffers, "_DEVICES", ("cpu",))
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream())
    monkeypatch.setattr(torch, "empty", empty)
    return noted


def test_an_upload_waits_until_the_buffer_was_read(calls: list[str]) -> None:
    buffer = Staging()
    first = torch.arange(12, dtype=torch.uint8).view(2, 2, 3)
    assert torch.equal(buffer.upload(first, CPU), first)
    assert calls == ["lock 12 bytes", "record"]
    smaller = torch.arange(8, dtype=torch.uint8).view(4, 2).T  # of any strides
    assert torch.equal(buffer.upload(smaller, CPU), smaller)
    assert calls[2:] == ["wait for the upload", "record"]
    larger = torch.arange(15.0).view(3, 5)
    assert torch.equal(buffer.upload(larger, CPU), larger)
    assert calls[4:] == ["wait for the upload", "lock 60 bytes", "record"]


def test_a_download_waits_for_the_device(calls: list[str]) -> None:
    buffer, values = Staging(), torch.arange(6.0).view(2, 3)
    for scale in (1, 2):
        out = torch.zeros(2, 3)
        buffer.download(scale * values, out)
        assert torch.equal(out, scale * values)
    assert calls == ["lock 24 bytes", "wait for the device", "wait for the device"]


def test_other_devices_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("CUDA is asked")

    monkeypatch.setattr(torch.cuda, "current_stream", fail)
    values = torch.arange(6.0).view(2, 3)
    assert torch.equal(Staging().upload(values, CPU), values)
    out = torch.zeros(2, 3)
    Staging().download(values, out)
    assert torch.equal(out, values)
    assert Staging().upload(values, torch.device("meta")).device.type == "meta"


def test_payloads_of_a_device_come_through_the_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def download(self: Staging, values: torch.Tensor, out: torch.Tensor) -> None:
        seen.append(values.device.type)
        out.fill_(7)

    monkeypatch.setattr(Staging, "download", download)
    assert (
        bytes(PayloadBuffer().fill(torch.empty(3, dtype=torch.uint8, device="meta"))) == b"\7\7\7"
    )
    assert seen == ["meta"]
