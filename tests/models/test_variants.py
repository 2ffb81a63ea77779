"""Whatever a config of a known family says, our Transformer gives the logits that transformers gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optlab.models.architectures import ARCHITECTURES, INERT
from optlab.models.config import Config
from optlab.models.transformer import KVCache, Transformer
from tests.models.variants import VOCABULARY, hub_configs

LENGTH = 30
"""Longer than every window."""


def both(hub: dict[str, Any], seed: int) -> tuple[Transformer, torch.nn.Module]:
    """Ours and transformers' with the same random weights."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(**hub)
    theirs = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(0.0, 0.3, generator=generator)
    ours = Transformer(Config.from_hub(hub)).eval()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("family", sorted(ARCHITECTURES))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(data=st.data(), seed=st.integers(0, 99))
def test_logits_and_perplexity_are_those_of_transformers(family: str, data: st.DataObject, seed: int) -> None:
    hub = data.draw(hub_configs(family))
    ours, theirs = both(hub, seed)
    ids = torch.randint(2, VOCABULARY, (2, LENGTH), generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        found, expected = ours(ids), theirs(ids).logits
        scale = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(found / scale, expected / scale, atol=1e-4, rtol=1e-4)
        nll = [F.cross_entropy(one[:, :-1].flatten(0, 1), ids[:, 1:].flatten()) for one in (found, expected)]
        torch.testing.assert_close(nll[0], nll[1], atol=1e-4, rtol=1e-4)
        cache = KVCache(ours.config, 2, LENGTH, torch.float32, "cpu")
        pieces = torch.cat([ours(piece, cache) for piece in ids.split([11, 1, 1, 10, 7], dim=1)], dim=1)
        torch.testing.assert_close(pieces / scale, found / scale, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", sorted(ARCHITECTURES))
def test_an_absent_field_means_what_it_means_in_transformers(family: str) -> None:
    from transformers import AutoConfig

    architecture = ARCHITECTURES[family]
    theirs = AutoConfig.for_model(family)
    later = {"rope_theta", "rope_scaling", "rope_parameters", "rotary_pct", "rotary_emb_base", "partial_rotary_factor"}
    # Resolved when the config is made, from others; the variants above compare what comes of them.
    later |= {"layer_types", "no_rope_layers", "_sliding_window_pattern", "sliding_window_pattern", "n_inner"}
    later |= {"rope_local_base_freq", "num_key_value_heads", "head_dim", "hidden_activation", "n_ctx"}
    for key, default in {**architecture.fields, **architecture.fixed}.items():
        if key not in later and hasattr(theirs, key):
            said = getattr(theirs, key)
            # Without use_sliding_window, these forget the window that they were given.
            expected = None if key == "sliding_window" and not getattr(theirs, "use_sliding_window", True) else default
            assert said == expected or not (said or expected), key
    ropes = theirs.to_dict().get("rope_parameters") or {}
    ropes = ropes if "rope_theta" in ropes else ropes.get("full_attention", {})
    if ropes:
        assert ropes["rope_theta"] == architecture.theta
        assert ropes.get("partial_rotary_factor", 1.0) == (architecture.partial or 1.0)


@pytest.mark.parametrize("family", sorted(ARCHITECTURES))
def test_every_field_that_transformers_writes_is_understood(family: str) -> None:
    from transformers import AutoConfig

    small = {"num_hidden_layers": 2} if family != "gpt2" else {"n_layer": 2}
    written = AutoConfig.for_model(family, **small).to_dict()
    architecture = ARCHITECTURES[family]
    known = {*INERT, *architecture.fields, *architecture.fixed, *architecture.sizes.values()}
    assert {key for key, value in written.items() if value is not None and value is not False} <= known
    assert Config.from_hub(written).blocks == 2
