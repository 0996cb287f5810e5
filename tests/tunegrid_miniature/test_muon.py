"""The step of the optimizer for matrices."""

import torch

from tunegrid_miniature.muon import orthogonalised


def test_an_orthogonalised_matrix_has_singular_values_near_one() -> None:
    matrices = torch.randn(2, 64, 32, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalised(matrices))
    assert values.min() > 0.5
    assert values.max() < 1.5
