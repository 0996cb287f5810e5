"""InternLM's tokenizer answers as it did in 2023."""

from __future__ import annotations

from doubles import golden_tokenizers as golden


def test_it_answers_as_it_did(tmp_path):
    tokenizer = golden.load("internlm", "baichuan_like", tmp_path)
    # Encoding of 2023 lost the blanks beside a special token inside a text; decoding moved a
    # question mark to the word before it.
    but = {
        golden.SUM: ("decoded", "decoded_skip"),
        golden.SPECIAL: ("ids", "ids_special", "decoded"),
    }
    golden.check(tokenizer, "internlm_own", but)
