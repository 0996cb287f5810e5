"""A judge that is a causal language model on the same machine.

Owns: how the model is loaded and asked. Knows nothing of rubrics or of where replies are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunegrid.config.choices import Device, Dtype, Precision
from tunegrid.config.schema import DecodingConfig, ModelConfig
from tunegrid.evaluation.judges.judge import (
    SYSTEM,
    Judge,
    OnReply,
    Reply,
    Request,
    Spent,
    common_problems,
)

PATH_OPTIONS = ("path",)
RUNTIME_OPTIONS = ("device", "batch_tokens")


def build(
    *,
    path: str,
    revision: str | None = None,
    precision: str = "fp32",
    dtype: str = "float32",
    system: str = SYSTEM,
    template: str | None = None,
    max_tokens: int = 512,
    repeats: int = 1,
    temperature: float = 0.0,
    seed: int = 0,
    max_unparsed_share: float = 0.0,
    device: str = "auto",
    batch_tokens: int = 8192,
) -> Judge:
    """Return a judge that is a model of transformers.

    Args:
        path: a directory, or a repository id of the model hub.
        revision: commit or tag on the hub.
        precision: how its weights are held, as in conf/quantization.
        dtype: the type of the computation.
        system: the system message, where the model has a chat template that takes one.
        template: the text around a request, with `{request}`; None takes the tokenizer's chat
            template, or the request alone where it has none.
        max_tokens: room for a reply, in tokens; a reply that fills it counts as cut off.
        repeats: how often each answer is rated; more than one needs a temperature.
        temperature: 0 decodes greedily.
        seed: of the sampling.
        max_unparsed_share: a larger share without a readable score is an incomplete scoring.
        device: `auto`, `cpu` or `cuda`.
        batch_tokens: request and reply tokens of a batch.

    """
    decoding = DecodingConfig(sample=temperature > 0, temperature=temperature or 1.0)
    model = ModelConfig(name="judge", path=path, revision=revision)

    def ask(
        requests: Sequence[Request],
        on_reply: OnReply,
        should_stop: Callable[[], bool],
        spent: Spent,
    ) -> None:
        from tunegrid.models.inference.generation import answer

        loaded, tokenizer = _load(model, precision, dtype, device)
        # Repeats of one request are the same text: each has a seed of its own.
        for repeat in sorted({one.repeat for one in requests}):
            chosen = [one for one in requests if one.repeat == repeat]
            texts = [_framed(tokenizer, one.text, system, template) for one in chosen]
            for index, given in answer(
                loaded,
                tokenizer,
                texts,
                decoding=decoding,
                max_new_tokens=max_tokens,
                stop="",
                batch_tokens=batch_tokens,
                seed=seed + repeat,
                progress_label="judge",
                progress=True,
            ):
                problem = "cut off" if given.finished == "length" else ""
                prompt_tokens = len(tokenizer(texts[index])["input_ids"])
                on_reply(
                    chosen[index], Reply(given.text, problem, prompt_tokens, given.new_tokens, 1)
                )
                if should_stop():
                    return

    name = Path(path).name
    return Judge(
        name=f"local-{name}",
        description=f"the language model {name}, asked with the benchmark's own prompts",
        ask=ask,
        repeats=repeats,
        max_unparsed_share=max_unparsed_share,
        loads_model=True,
    )


def problems(options: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the options beyond their names."""
    found = common_problems(options)
    for name, kind in (("precision", Precision), ("dtype", Dtype), ("device", Device)):
        accepted = [member.value for member in kind]
        if options.get(name, accepted[0]) not in accepted:
            found.append(
                f"judge.options.{name} is {options[name]!r}; accepted: {', '.join(accepted)}"
            )
    template = options.get("template")
    if template is not None and "{request}" not in str(template):
        found.append("judge.options.template lacks {request}, where the question to the judge goes")
    if options.get("repeats", 1) != 1 and not options.get("temperature"):
        found.append("judge.options.repeats: greedy replies are all the same; give a temperature")
    return found


def _load(model: ModelConfig, precision: str, dtype: str, device: str) -> tuple[Any, Any]:
    """Return the model and its tokenizer; its architecture is whatever its own config says."""
    from tunegrid.config.schema import QuantizationConfig
    from tunegrid.models.bases.loading import architecture_of, load

    model.architecture = architecture_of(model.path, model.revision)
    quantization = QuantizationConfig(
        name="judge", precision=Precision(precision), dtype=Dtype(dtype)
    )
    return load(model, quantization, root=Path(), device=Device(device))


def _framed(tokenizer: Any, request: str, system: str, template: str | None) -> str:
    """Return a request as the model expects to be spoken to."""
    if template is not None:
        return template.replace("{request}", request)
    if not getattr(tokenizer, "chat_template", None):
        return request
    messages = [{"role": "user", "content": request}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    # The prompt's own opening is put in front of every prompt.
    opening = tokenizer.bos_token or ""
    return text.removeprefix(opening)
