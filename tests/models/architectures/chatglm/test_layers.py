"""The rotation of ChatGLM-6B: two halves, two rows of positions, frequencies of 16 bit."""

from __future__ import annotations

import torch

from tunegrid.models.architectures.chatglm.layers import turned, turns


def test_each_half_turns_by_its_own_row():
    positions = torch.tensor([[[0, 1, 5], [0, 0, 2]]])
    cosines, sines = turns(positions, 16, torch.float32)
    assert cosines.shape == sines.shape == (1, 1, 3, 16)
    heads = torch.randn(1, 2, 3, 16, generator=torch.Generator().manual_seed(0))
    found = turned(heads, (cosines, sines))
    for token, (first, second) in enumerate([(0, 0), (1, 0), (5, 2)]):
        for half, position in ((0, first), (8, second)):
            for pair in range(4):
                # 10000 ** -(2 * pair / 8), rounded to 16 bit.
                frequency = float(torch.tensor(10.0**-pair).half())
                angle = torch.tensor(position * frequency)
                a, b = heads[0, :, token, half + pair], heads[0, :, token, half + pair + 4]
                turned_a = a * angle.cos() - b * angle.sin()
                turned_b = b * angle.cos() + a * angle.sin()
                torch.testing.assert_close(found[0, :, token, half + pair], turned_a)
                torch.testing.assert_close(found[0, :, token, half + pair + 4], turned_b)


def test_angles_are_exact_far_away_also_in_16_bit():
    positions = torch.full((1, 2, 1), 2001)
    half, whole = (turns(positions, 16, dtype)[0] for dtype in (torch.bfloat16, torch.float32))
    torch.testing.assert_close(half.float(), whole, atol=4e-3, rtol=0)
