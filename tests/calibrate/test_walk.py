"""Walking block by block ends where the model itself ends, in every family."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from optlab.calibrate.walk import Walk
from optlab.models import load
from tests.tiny import CONFIGS, MIXTURES, RECURRENT, SHARED, tiny_model_folder

IDS = torch.randint(4, 150, (2, 24), generator=torch.Generator().manual_seed(3))


@torch.no_grad()
@pytest.mark.parametrize("family", [*CONFIGS, *MIXTURES, *RECURRENT, *SHARED])
def test_a_walk_ends_where_the_model_ends(family: str, tmp_path: Path) -> None:
    model = load(str(tiny_model_folder(family, tmp_path)))
    walk = Walk(model, [IDS])
    for _ in model.blocks():
        walk.advance()
    torch.testing.assert_close(next(walk.outputs()), model.hidden(IDS), rtol=1e-4, atol=1e-4)
