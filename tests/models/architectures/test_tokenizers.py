"""Every family answers and weighs through the same doors, with its own tokenizer."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from doubles import golden_bases
from doubles import golden_tokenizers as golden
from tunegrid.config.schema import DecodingConfig
from tunegrid.data.tokens import encode_all
from tunegrid.models.architectures.tokenizers import OWN
from tunegrid.models.inference.generation import answer
from tunegrid.models.inference.likelihood import likelihoods

FAMILIES = {
    "baichuan7b": ("baichuan", "baichuan_like"),
    "baichuan13b": ("baichuan", "llama_like"),
    "internlm": ("internlm", "baichuan_like"),
    "chatglm2": ("chatglm2", "llama_like"),
    "chatglm1": ("chatglm", "glm1_unigram"),
}
PROMPTS = ["Name the fox.", "List three animals of the wood, and their colours:", "狐狸是什么"]


def test_every_own_tokenizer_belongs_to_an_architecture() -> None:
    assert set(OWN) == set(golden_bases.MODEL_TYPES.values())


@pytest.fixture(params=FAMILIES)
def pair(request, tmp_path) -> tuple[Any, Any]:
    """An untrained model of a family, with as many words as its tokenizer has."""
    architecture, file = FAMILIES[request.param]
    tokenizer = golden.load(architecture, file, tmp_path)
    words: dict[str, Any] = {"vocab_size": 2432, "max_position_embeddings": 512}
    if request.param == "chatglm2":
        words = {"padded_vocab_size": 2432, "seq_length": 512}
    if request.param == "chatglm1":
        words |= {"gmask_token_id": 86, "mask_token_id": 85, "bos_token_id": 89}
        words |= {"eos_token_id": 90, "tie_word_embeddings": False}
    settings = golden_bases.config(request.param, **words)
    built = golden_bases.model_class(settings)._from_config(settings, attn_implementation="sdpa")
    built.load_state_dict(golden_bases.weights(settings))
    built.config.use_cache = False
    return built.eval(), tokenizer


def test_answers_do_not_depend_on_their_batch(pair):
    model, tokenizer = pair
    found = []
    for budget in (1, 4096):
        given = answer(
            model, tokenizer, PROMPTS, decoding=DecodingConfig(), max_new_tokens=8,
            stop="", batch_tokens=budget, seed=0, progress_label="", progress=False,
        )  # fmt: skip
        found.append({index: (one.text, one.new_tokens) for index, one in given})
    assert found[0] == found[1]
    assert sorted(found[0]) == [0, 1, 2]
    assert all(text for text, _ in found[0].values())


def test_likelihoods_with_a_shared_prompt_are_those_without(pair):
    model, tokenizer = pair
    choices = [["A", "AB", "a long answer"]] * len(PROMPTS)
    found = []
    for shares in (True, False):
        given = likelihoods(
            model, tokenizer, PROMPTS, choices, separator=" ", batch_tokens=4096,
            progress_label="", progress=False, shares_prompt=shares,
        )  # fmt: skip
        scores = {
            index: [(o.log_likelihood, o.end_log_likelihood) for o in s] for index, s in given
        }
        found.append(torch.tensor([scores[index] for index in range(len(PROMPTS))]))
    assert found[0].std() > 1
    torch.testing.assert_close(*found, atol=1e-3, rtol=1e-5)


def test_prompts_are_prefixes_of_examples_and_packed_as_apart(pair):
    model, tokenizer = pair
    made = encode_all(tokenizer, [(text, " a fox") for text in PROMPTS], max_length_tokens=99)
    ids = [torch.tensor(one.ids) for one in made.examples]
    assert len(ids) == 3
    with torch.no_grad():
        apart = torch.cat([model(one[None]).logits[0] for one in ids])
        packed = golden_bases.packed(model, ids)
    torch.testing.assert_close(packed, apart, atol=2e-4, rtol=0)
