"""Baichuan's tokenizer answers as it did in 2023."""

from __future__ import annotations

import pytest

from doubles import golden_tokenizers as golden


@pytest.mark.parametrize("model", ["baichuan_like", "llama_like"])
def test_it_answers_as_it_did(model, tmp_path):
    tokenizer = golden.load("baichuan", model, tmp_path)
    # Decoding of 2023 put blanks around tokens that were added.
    golden.check(tokenizer, f"baichuan_{model}", {golden.SPECIAL: ("decoded",)})
