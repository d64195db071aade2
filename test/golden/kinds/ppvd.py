"""The video transformer of Pixel-Perfect Depth, of which the package has only the blocks.

The network is put together here as the authors describe it: the blocks of the image network
without rotations, a fixed table of positions, tokens of the first frames that every frame sees,
and blocks over time.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
import torch
from golden.cases import Case, Comparison
from golden.kinds import has
from golden.kinds.ppd import KINDS, parameters
from torch import Tensor, nn

from depth_perception.systems.ppd.blocks import ModulatedBlock, RopeTables
from depth_perception.systems.ppd.transformer import SpDit, SpDitConfig

SHARED_FROM, TIME_FROM = 18, 21  # first blocks with tokens of other frames, and over time
SHARED_FRAMES = 3


def sine_table(rows: int, columns: int, dim: int) -> Tensor:
    """Positions (rows columns, dim): the first half is of the column, the second of the row."""
    rates = 10000.0 ** -(np.arange(dim // 4) / (dim // 4))
    angles = [np.arange(count)[:, None] * rates for count in (columns, rows)]
    column, row = (np.concatenate((np.sin(a), np.cos(a)), -1) for a in angles)
    table = np.concatenate((np.tile(column, (rows, 1)), np.repeat(row, columns, 0)), -1)
    return torch.from_numpy(table.astype(np.float32))


class VideoTransformer(SpDit):
    """Velocity of the frames of one window."""

    def __init__(self, dim: int, depth: int, heads: int, mlp_ratio: float, semantics: int) -> None:
        super().__init__(SpDitConfig(dim, depth, heads, semantics))
        blocks = [ModulatedBlock(dim, heads, mlp_ratio) for _ in range(2 * depth - TIME_FROM)]
        self.blocks = nn.ModuleList(blocks[:depth])
        self.temporal_blocks = nn.ModuleList(blocks[depth:])

    def forward(self, x: Tensor, semantics: Tensor, times: Tensor) -> Tensor:
        """Velocity (F, 1, H, W) of noisy depth and RGB (F, 4, H, W) at one time-step."""
        frames, _, height, width = x.shape
        grid = (height // 16, width // 16)
        dim, half = self.config.dim, len(self.blocks) // 2
        tokens = self.x_embedder.proj(x).flatten(2).mT + sine_table(*grid, dim)
        plain = RopeTables(torch.ones(()), torch.zeros(()))
        condition = self.t_embedder(times)
        for index, block in enumerate(self.blocks):
            if index == half:
                semantics = nn.functional.normalize(semantics, dim=-1)
                cells = self.proj_fusion(torch.cat((tokens, semantics), -1))
                cells = cells.unflatten(-1, (2, 2, dim)).unflatten(1, grid)
                tokens = cells.permute(0, 1, 3, 2, 4, 5).reshape(frames, -1, dim)
            if index >= TIME_FROM:
                over_time = self.temporal_blocks[index - TIME_FROM]
                moved = over_time(tokens.transpose(0, 1), over_time.modulation(condition), plain)
                tokens = moved.transpose(0, 1)
            count = tokens.shape[1]
            if index >= SHARED_FROM:
                maps = tokens[:SHARED_FRAMES].mT.unflatten(-1, (2 * grid[0], 2 * grid[1]))
                shared = nn.functional.avg_pool2d(maps, 4).flatten(2).mT.reshape(1, -1, dim)
                tokens = torch.cat((tokens, shared.expand(frames, -1, -1)), 1)
            tokens = block(tokens, block.modulation(condition), plain)[:, :count]
        patches = self.final_layer(tokens, self.final_layer.modulation(condition))
        patches = patches.unflatten(-1, (8, 8)).unflatten(1, (2 * grid[0], 2 * grid[1]))
        return patches.permute(0, 1, 3, 2, 4).reshape(frames, 1, height, width)


@KINDS.add("video network", has("out_velocity_every8"), slow=lambda case: True)
def video_network(case: Case) -> Iterator[Comparison]:
    built = case.entry["constructor"]
    inputs = []
    for name in ("x", "semantics"):
        text, shape = case.input[name].split('crc32("')[1].split('")).standard_normal((')
        shape = [int(number) for number in shape.split("))")[0].split(",")]
        stream = np.random.RandomState(zlib.crc32(text.encode()))
        inputs.append(torch.from_numpy(stream.standard_normal(shape).astype(np.float32)))
    network = VideoTransformer(
        built["hidden_size"],
        built["depth"],
        built["num_heads"],
        built["mlp_ratio"],
        inputs[1].shape[-1],
    )
    state = parameters(case, "dit_video.", left_out=("dit_video.pos_embed",))
    network.load_state_dict(state)
    with torch.no_grad():
        velocity = network(*inputs, torch.tensor(case.options["timestep"]))
    yield case.compare("out_velocity_every8", velocity[..., ::8, ::8])
    grid = [side // 16 for side in inputs[0].shape[-2:]]
    table = sine_table(*grid, built["hidden_size"])
    yield case.compare("out_pos_embed_first8", table[:, :8])
