"""What the tokenizers of 2023 answered to 39 texts, and the few answers that are not theirs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from doubles.golden_bases import FOLDER
from tunegrid.config.schema import ModelConfig
from tunegrid.models.bases.loading import load_tokenizer

FILES = {
    "chatglm": "ice_text.model",
    "chatglm2": "tokenizer.model",
    "baichuan": "tokenizer.model",
    "internlm": "tokenizer.model",
}
SPECIAL = "</s> in text <s> and <unk>"
BORDER = "[gMASK] in text <sop> x <eop>"
SUM = "数学 12345.678 + 90 = ?"


def load(architecture: str, model: str, root: Path) -> Any:
    """Return the tokenizer of a sentencepiece model, loaded as a base's is."""
    folder = root / "base"
    folder.mkdir()
    shutil.copy(FOLDER / "tokenizers" / f"{model}.model", folder / FILES[architecture])
    # Both ChatGLMs say so: it is not asked.
    settings = {"tokenizer_class": "ChatGLMTokenizer", "auto_map": {"AutoTokenizer": ["x.Y", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    named = ModelConfig(name="base", path="base", architecture=architecture)
    return load_tokenizer(named, root)


def check(tokenizer: Any, golden: str, but: dict[str, tuple[str, ...]]) -> None:
    """Compare all that was stored; `but` names for a text which of its fields are not the same."""
    path = FOLDER / "tokenizers" / f"{golden}.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert len(stored["cases"]) == 39
    assert (tokenizer.vocab_size, len(tokenizer)) == (stored["vocab_size"], stored["len"])
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        assert getattr(tokenizer, name) == stored["special_ids"][name]
    pair = tokenizer.build_inputs_with_special_tokens([10, 11], [12, 13])
    assert pair == stored["pair_10_11__12_13"]
    different: dict[str, tuple[str, ...]] = {}
    for case in stored["cases"]:
        text = case["text"]
        found = {
            "ids": tokenizer(text, add_special_tokens=False)["input_ids"],
            "ids_special": tokenizer(text)["input_ids"],
            "decoded": tokenizer.decode(case["ids"]),
            "decoded_skip": tokenizer.decode(case["ids_special"], skip_special_tokens=True),
        }
        fields = tuple(name for name, value in found.items() if value != case[name])
        if fields:
            different[text] = fields
    assert different == but
