"""The tiny models whose numbers were computed by the original code of 2023, with their checks."""

from __future__ import annotations

import functools
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from tunegrid.config.project import project_directory
from tunegrid.models.architectures.registration import register
from tunegrid.models.bases.loading import model_class

FOLDER = project_directory() / "tests" / "models" / "architectures" / "golden"
SEED = 20230701
KERNELS = ["eager", "sdpa"]
MODEL_TYPES = {
    "baichuan7b": "baichuan",
    "baichuan13b": "baichuan_alibi",
    "internlm": "internlm",
    "moss": "moss",
    "chatglm2": "chatglm2",
    "chatglm1": "chatglm",
}
TARGETS = {
    "baichuan7b": ["W_pack"],
    "baichuan13b": ["W_pack"],
    "internlm": ["q_proj", "v_proj"],
    "moss": ["qkv_proj"],
    "chatglm2": ["query_key_value"],
    "chatglm1": ["query_key_value"],
}
# What published files hold beside the weights: it must be ignored, whatever its values.
BUFFERS = {
    "baichuan7b": {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(8)},
    "baichuan13b": {},
    "internlm": {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(8)},
    "moss": {"transformer.h.0.attn.causal_mask": torch.zeros(1, 1, 64, 64, dtype=torch.bool)},
    "chatglm2": {"transformer.rotary_pos_emb.inv_freq": torch.zeros(4)},
    "chatglm1": {"transformer.layers.0.attention.rotary_emb.inv_freq": torch.zeros(4)},
}


@functools.cache
def arrays(name: str) -> dict[str, torch.Tensor]:
    """What the original computed."""
    with np.load(FOLDER / name / "golden.npz") as stored:
        return {key: torch.from_numpy(stored[key]) for key in stored.files}


def config(name: str, **changes: Any) -> Any:
    """The config as transformers reads it from the hub's fields, some of them changed."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    register()
    fields = json.loads((FOLDER / name / "config.json").read_text(encoding="utf-8")) | changes
    return CONFIG_MAPPING[fields["model_type"]].from_dict(fields)


def drawn(shapes: dict[str, tuple[int, ...]], seed: int = SEED) -> dict[str, torch.Tensor]:
    """Weights of these shapes, as the golden ones were drawn."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for key, shape in sorted(shapes.items()):
        values = torch.randn(shape, generator=generator)
        if "embed" in key or "wte" in key:
            pass
        elif key.endswith(("lm_head.weight", "output_layer.weight")):
            values *= 2 / math.sqrt(shape[1])
        elif key.endswith("bias"):
            values *= 0.3
        elif len(shape) == 1:
            values = 1 + 0.2 * values
        else:
            values *= 1.3 / math.sqrt(shape[1])
        weights[key] = values
    return weights


def weights(settings: Any, seed: int = SEED) -> dict[str, torch.Tensor]:
    """Weights of the architecture that a config describes."""
    with torch.device("meta"):
        built = model_class(settings)(settings)
    return drawn({key: tuple(value.shape) for key, value in built.state_dict().items()}, seed)


def write(name: str, root: Path, **changes: torch.Tensor | None) -> Path:
    """Write files as the hub has them; `changes` replaces weights, or leaves them out."""
    folder = root / name
    folder.mkdir(parents=True)
    shutil.copy(FOLDER / name / "config.json", folder)
    content = weights(config(name)) | BUFFERS[name] | changes
    kept = {key: value for key, value in content.items() if value is not None}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@functools.cache
def model(name: str, kernel: str) -> Any:
    """The golden model, in evaluation mode."""
    settings = config(name, tie_word_embeddings=False)
    built = model_class(settings)._from_config(settings, attn_implementation=kernel)
    built.load_state_dict(weights(settings))
    assert built.config._attn_implementation == kernel
    return built.eval()


def close(found: torch.Tensor, expected: torch.Tensor, real: torch.Tensor | None = None) -> None:
    """Compare logits, where tokens are real."""
    if real is not None:
        found, expected = found[real.bool()], expected[real.bool()]
    assert expected.std() > 1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def check_plain(name: str, kernel: str) -> None:
    golden = arrays(name)
    with torch.no_grad():
        close(model(name, kernel)(golden["plain_ids"]).logits, golden["plain_logits"])


def check_left_padding(name: str, kernel: str) -> None:
    """With the positions the original makes, with its default ones, and each row alone."""
    golden, base = arrays(name), model(name, kernel)
    ids, mask = golden["left_ids"], golden["left_mask"]
    positions = golden.get("left_position_ids")
    with torch.no_grad():
        found = base(ids, attention_mask=mask, position_ids=positions).logits
        close(found, golden["left_logits"], mask)
        for row, own in enumerate(mask.bool()):
            alone = base(ids[row : row + 1, own]).logits
            close(alone, golden[f"left_row{row}_logits"])
            torch.testing.assert_close(found[row, own], alone[0], atol=1e-4, rtol=0)
        if "left_logits_default_positions" in golden:
            found = base(ids, attention_mask=mask).logits
            close(found, golden["left_logits_default_positions"], mask)


def check_training(name: str, kernel: str, real: str = "sft_mask") -> None:
    """Logits, loss of each token, loss and gradient of the embedding, also in training mode."""
    golden, base = arrays(name), model(name, kernel)
    ids, labels, mask = golden["sft_ids"], golden["sft_labels"], golden[real]
    try:
        for mode in ("sft_loss", "sft_loss_train_mode"):
            base.train(mode == "sft_loss_train_mode")
            base.zero_grad()
            found = base(ids, attention_mask=mask, labels=labels, use_cache=False)
            close(found.logits.detach(), golden["sft_logits"], mask)
            torch.testing.assert_close(found.loss.detach(), golden[mode], atol=1e-5, rtol=0)
        losses = torch.nn.functional.cross_entropy(
            found.logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none"
        )
        torch.testing.assert_close(losses, golden["sft_token_loss"][:, 1:], atol=1e-4, rtol=0)
        found.loss.backward()
        gradient = base.get_input_embeddings().weight.grad
        assert golden["sft_grad_embeddings"].abs().max() > 1e-3
        torch.testing.assert_close(gradient, golden["sft_grad_embeddings"], atol=1e-5, rtol=0)
    finally:
        base.eval()


def check_generation(
    name: str, kernel: str, prefix: str = "gen", *, ids: str = "left_ids", mask: str | None = None
) -> None:
    """Greedy answers with a cache, from a batch padded on the left."""
    golden, base = arrays(name), model(name, kernel)
    expected = golden[f"{prefix}_sequences"]
    steps = golden[f"{prefix}_scores"].shape[1]
    assert expected.shape[1] == golden[ids].shape[1] + steps
    options = {"max_new_tokens": steps, "min_new_tokens": steps, "do_sample": False}
    options |= {"output_scores": True, "return_dict_in_generate": True, "use_cache": True}
    found = base.generate(
        golden[ids], attention_mask=None if mask is None else golden[mask], **options
    )
    assert torch.equal(found.sequences, expected)
    scores, stored = torch.stack(found.scores, 1), golden[f"{prefix}_scores"]
    assert torch.equal(scores.isinf(), stored.isinf())
    finite = stored.isfinite()
    torch.testing.assert_close(scores[finite], stored[finite], atol=1e-4, rtol=0)


def check_long_text(name: str, kernel: str, **changes: Any) -> None:
    """More than a thousand tokens in 32 bit; in 16 bit no farther from them than the original."""
    with np.load(FOLDER / "fp16_long.npz") as stored:
        ids, keep, expected, half = (
            torch.from_numpy(stored[f"{name}_{part}"])
            for part in ("ids", "keep", "logits_float32", "logits_float16")
        )
    settings = config(name, **changes)
    base = model_class(settings)._from_config(settings, attn_implementation=kernel).eval()
    base.load_state_dict(weights(settings))
    with torch.no_grad():
        close(base(ids).logits[0, keep], expected)
        own = base.half()(ids).logits[0, keep].float()
    assert 0 < (own - expected).abs().mean() < 1.1 * (half.float() - expected).abs().mean()


def packed(base: Any, examples: list[torch.Tensor]) -> torch.Tensor:
    """Logits of examples in one row, laid out as training lays them out."""
    from tunegrid.data.tokens import Encoded
    from tunegrid.models.bases.packing import BY_MASK, can_flatten
    from tunegrid.training.microbatches import flatten

    assert can_flatten(base.config.model_type)
    encoded = [Encoded(one.tolist(), one.tolist(), 1, truncated=False) for one in examples]
    by_mask = base.config.model_type in BY_MASK
    batch = flatten(encoded, base.get_input_embeddings().weight.dtype if by_mask else None)
    return base(**batch.inputs, use_cache=False).logits[0]
