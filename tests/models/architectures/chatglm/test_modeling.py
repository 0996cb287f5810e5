"""ChatGLM-6B v1.1 computes what its original code computes."""

from __future__ import annotations

import pytest
import torch

from doubles import golden_bases
from tunegrid.config.errors import ConfigError
from tunegrid.models.architectures.chatglm.context import ContextCache

pytestmark = pytest.mark.parametrize("kernel", golden_bases.KERNELS)
NAME = "chatglm1"


def test_four_context_lengths(kernel):
    golden, base = golden_bases.arrays(NAME), golden_bases.model(NAME, kernel)
    assert len(set(golden["ctx_lengths"].tolist())) == 4
    with torch.no_grad():
        golden_bases.close(base(golden["ctx_ids"]).logits, golden["ctx_logits"])


def test_mask_in_the_place_of_gmask(kernel):
    golden, base = golden_bases.arrays(NAME), golden_bases.model(NAME, kernel)
    with torch.no_grad():
        golden_bases.close(base(golden["mask_ids"]).logits, golden["mask_logits"])


def test_left_padding(kernel):
    golden, base = golden_bases.arrays(NAME), golden_bases.model(NAME, kernel)
    ids, real = golden["left_ids"], golden["left_real"]
    assert (real == 0).any()
    with torch.no_grad():
        found = base(ids, attention_mask=real).logits
        golden_bases.close(found, golden["left_logits"], real)
        for row, own in enumerate(real.bool()):
            alone = base(ids[row : row + 1, own]).logits
            assert torch.equal(ids[row : row + 1, own], golden[f"left_row{row}_ids"])
            golden_bases.close(alone, golden[f"left_row{row}_logits"])


def test_loss_and_gradients(kernel):
    golden_bases.check_training(NAME, kernel, real="sft_real")


def test_answers_with_a_cache(kernel):
    golden_bases.check_generation(NAME, kernel, mask="left_real")
    golden_bases.check_generation(NAME, kernel, "gen_row0", ids="left_row0_ids")


def test_a_long_text(kernel):
    golden_bases.check_long_text(NAME, kernel, tie_word_embeddings=False)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_cache_changes_no_answer(kernel, beams):
    golden, base = golden_bases.arrays(NAME), golden_bases.model(NAME, kernel)
    options = {"max_new_tokens": 8, "do_sample": False, "num_beams": beams}
    found = [
        base.generate(
            golden["left_ids"], attention_mask=golden["left_real"], use_cache=use, **options
        )
        for use in (True, False)
    ]
    assert torch.equal(*found)


def test_a_shared_prompt_is_read_once(kernel):
    """As likelihoods read it: a cache, its rows repeated, then tails of different lengths."""
    golden, base = golden_bases.arrays(NAME), golden_bases.model(NAME, kernel)
    ids, real = golden["left_ids"], golden["left_real"]
    index = (real.cumsum(-1) - 1).clamp(min=0)
    tails = torch.tensor([[7, 8, 9], [21, 3, 3]])
    tail_mask = torch.tensor([[1, 1, 1], [1, 0, 0]])
    rows = len(ids)
    with torch.no_grad():
        read = base(ids, attention_mask=real, position_ids=index, use_cache=True)
        cache = read.past_key_values
        assert isinstance(cache, ContextCache)
        cache.batch_repeat_interleave(2)
        starts = real.sum(-1).repeat_interleave(2)
        found = base(
            tails.repeat(rows, 1),
            attention_mask=torch.cat([real.repeat_interleave(2, 0), tail_mask.repeat(rows, 1)], 1),
            position_ids=starts[:, None] + torch.arange(3),
            past_key_values=cache,
        ).logits.view(rows, 2, 3, -1)
        for row, own in enumerate(real.bool()):
            for branch, length in enumerate((3, 1)):
                whole = torch.cat([ids[row, own], tails[branch, :length]])[None]
                alone = base(whole).logits[0, -length:]
                torch.testing.assert_close(found[row, branch, :length], alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("size", "heads", "layers"), [(96, 3, 1), (32, 2, 5)])
def test_the_context_is_seen_whole_and_the_answer_is_not(kernel, size, heads, layers):
    settings = golden_bases.config(
        NAME, hidden_size=size, num_attention_heads=heads, num_layers=layers,
        inner_hidden_size=4 * size, tie_word_embeddings=False,
    )  # fmt: skip
    base = golden_bases.model_class(settings)._from_config(settings, attn_implementation=kernel)
    base.load_state_dict(golden_bases.weights(settings, seed=size))
    ids = torch.tensor([[10, 11, 12, 151, 154, 20, 21, 22]])
    with torch.no_grad():
        before = base.eval()(ids).logits[0]
        for place in (2, 6):
            changed = ids.clone()
            changed[0, place] = 99
            moved = (base(changed).logits[0] - before).abs().amax(-1) > 1e-3
            # A word of the context moves all; one of the answer moves itself and what follows.
            assert moved.tolist() == [place == 2 or at >= place for at in range(8)]


def test_what_does_not_say_where_its_context_ends_is_refused(kernel):
    base = golden_bases.model(NAME, kernel)
    from transformers import DynamicCache

    with pytest.raises(ConfigError, match="embeddings without ids"):
        base(inputs_embeds=torch.zeros(1, 4, 64))
    ids = golden_bases.arrays(NAME)["left_row0_ids"]
    cache = DynamicCache(config=base.config)
    base(ids, past_key_values=cache, use_cache=True)
    with pytest.raises(ConfigError, match="virtual tokens"):
        base(ids, past_key_values=cache)
