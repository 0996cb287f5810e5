"""The tokenizer of ChatGLM-6B v1.1: texts rewritten, `[gMASK] <sop>` behind them.

Owns: the rewriting. A new line becomes `<n>`, a tab `<|tab|>`, a run of 2 to 80 spaces
`<|blank_k|>`, the longest first: 90 spaces are `<|blank_80|><|blank_10|>`. The file normalises by
NFKC: full-width "，：？" become ASCII and do not come back.
"""

from __future__ import annotations

import re
from typing import Any

from tunegrid.models.architectures.sentencepiece_text import SentencePieceText

FILE = "ice_text.model"
_LONGEST_RUN = 80
_BLANK = re.compile(r"<\|blank_(\d+)\|>")


class ChatGLMTokenizer(SentencePieceText):
    """The context's end, `[gMASK] <sop>`, stands behind a text; <eop> ends an answer."""

    written_pieces = ("<n>", r"<\|tab\|>", r"<\|blank_\d+\|>")
    vocab_files_names = {"vocab_file": FILE}  # noqa: RUF012 - the form transformers reads

    def __init__(self, vocab_file: str, **kwargs: Any) -> None:
        tokens = {
            "unk_token": "<unk>",
            "bos_token": "<sop>",
            "eos_token": "<eop>",
            "pad_token": "<pad>",
        }
        super().__init__(**tokens | kwargs | {"vocab_file": vocab_file})

    def pieces_of(self, text: str) -> str:
        """Return the text with new lines, tabs and runs of spaces rewritten."""
        text = text.replace("\n", "<n>").replace("\t", "<|tab|>")
        for length in range(_LONGEST_RUN, 1, -1):
            text = text.replace(" " * length, f"<|blank_{length}|>")
        return text

    def text_of(self, pieces: str) -> str:
        """Return the text with what was rewritten put back."""
        text = pieces.replace("<n>", "\n").replace("<|tab|>", "\t")
        return _BLANK.sub(lambda found: " " * int(found[1]), text)

    def back(self) -> list[int]:
        """Return [gMASK] and <sop>."""
        return [self.sp_model.piece_to_id("[gMASK]"), self.bos_token_id]

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return context [gMASK] <sop>, and for two texts the answer with <eop>."""
        whole = [*token_ids_0, *self.back()]
        return whole if token_ids_1 is None else [*whole, *token_ids_1, self.eos_token_id]
