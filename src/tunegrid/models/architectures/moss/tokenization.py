"""The tokenizer of MOSS: GPT-2's byte pairs and 43 added tokens, from three plain files.

Owns: the added tokens. `special_tokens_map.json` of its files cannot be read by transformers 5.23,
and the tokenizer of 2023 lost the new line in front of an indented line of code; this one keeps it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VOCABULARY, MERGES, ADDED = "vocab.json", "merges.txt", "added_tokens.json"
END = "<eom>"


def moss_tokenizer(vocabulary: str, merges: str, added: str) -> Any:
    """Return the fast tokenizer of the three files.

    Args:
        vocabulary: path of vocab.json.
        merges: path of merges.txt.
        added: path of added_tokens.json: ids by token. Runs of blanks are plain words, tokens in
            angle brackets special; each gets the id that its file says.

    Raises:
        ValueError: added tokens that do not follow the vocabulary without a gap.

    """
    from tokenizers import AddedToken
    from transformers import GPT2Tokenizer

    lines = Path(merges).read_text(encoding="utf-8").splitlines()
    pairs: Any = [
        tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")
    ]
    words = json.loads(Path(vocabulary).read_text(encoding="utf-8"))
    ids: dict[str, int] = json.loads(Path(added).read_text(encoding="utf-8"))
    tokenizer = GPT2Tokenizer(vocab=words, merges=pairs, unk_token="<|endoftext|>")  # noqa: S106
    for token in sorted(ids, key=ids.__getitem__):
        special = token.startswith("<") and token.endswith(">")
        tokenizer.add_tokens([AddedToken(token, normalized=False, special=special)])
    wrong = [token for token, own in ids.items() if tokenizer.convert_tokens_to_ids(token) != own]
    if wrong:
        raise ValueError(
            f"{added}: {', '.join(map(repr, wrong[:5]))} do not get the ids it says; they must "
            f"follow the {len(words)} words of vocab.json without a gap"
        )
    tokenizer.eos_token = END
    return tokenizer
