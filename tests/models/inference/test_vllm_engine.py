"""The translation of a cell's settings to vLLM, with a double in vLLM's place."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from doubles import tiny_bases
from doubles.tiny_methods import config
from tunegrid.config.choices import Device, Precision, Protocol
from tunegrid.config.schema import BenchmarkConfig, DecodingConfig, ModelConfig
from tunegrid.data.tokens import encode_prompts
from tunegrid.models.inference import generation, vllm_engine

PROMPTS = ["Name the capital", "the fox jumps over the dog and", "Below is"]


class Engine:
    """Continues greedily with a tiny base, as far as `max_tokens`; what it was given is kept."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.calls: list[dict[str, Any]] = []
        self.model = tiny_bases.base("llama").eval()

    def generate(self, prompts: Any, sampling: Any, **options: Any) -> list[Any]:
        self.calls.append({"prompts": prompts, "sampling": sampling, **options})
        found = []
        for prompt, settings in zip(prompts, sampling, strict=True):
            ids = torch.tensor([prompt["prompt_token_ids"]])
            new = self.model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False,
                max_new_tokens=settings["max_tokens"], use_cache=True, pad_token_id=2,
                eos_token_id=2,
            )[0, ids.shape[1] :].tolist()  # fmt: skip
            found.append(types.SimpleNamespace(outputs=[types.SimpleNamespace(token_ids=new)]))
        return found


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    double: Any = types.ModuleType("vllm")
    double.LLM, double.SamplingParams = Engine, dict
    inputs: Any = types.ModuleType("vllm.inputs")
    inputs.TokensPrompt = dict
    lora: Any = types.ModuleType("vllm.lora.request")
    lora.LoRARequest = lambda name, number, path: (name, number, path)
    for name, module in (
        ("vllm", double), ("vllm.inputs", inputs), ("vllm.lora", types.ModuleType("vllm.lora")),
        ("vllm.lora.request", lora),
    ):  # fmt: skip
        monkeypatch.setitem(sys.modules, name, module)


def answers(engine: Any, **options: Any) -> dict[int, generation.Answer]:
    chosen: dict[str, Any] = {
        "decoding": DecodingConfig(), "max_new_tokens": 6, "stop": "", "room": 256,
        "adapter": None, "seed": 0, "progress_label": "", "progress": False,
    } | options  # fmt: skip
    return dict(vllm_engine.answer(engine, tiny_bases.tokenizer("llama"), PROMPTS, **chosen))


@pytest.mark.usefixtures("vllm")
def test_answers_are_read_as_those_of_transformers() -> None:
    model = tiny_bases.base("llama")
    for stop, rule in (("", None), ("e", None), ("", lambda index, text: len(text) > 3)):
        expected = dict(
            generation.answer(
                model, tiny_bases.tokenizer("llama"), PROMPTS, decoding=DecodingConfig(),
                max_new_tokens=6, stop=stop, batch_tokens=8192, seed=0, progress_label="",
                progress=False, is_decided=rule,
            )
        )  # fmt: skip
        assert answers(Engine(), stop=stop, is_decided=rule) == expected


@pytest.mark.usefixtures("vllm")
def test_what_is_done_and_what_does_not_fit_is_not_asked() -> None:
    tokenizer = tiny_bases.tokenizer("llama")
    lengths = [len(ids) for ids in encode_prompts(tokenizer, PROMPTS)]
    engine = Engine()
    longest = max(range(3), key=lambda index: lengths[index])
    found = answers(engine, room=max(lengths), done={0})
    assert set(found) == {1, 2}
    assert found[longest] == generation.Answer("", 0, "context")
    [call] = engine.calls
    assert len(call["prompts"]) == 1
    # One that is short of room is answered in what it leaves.
    tight = answers(Engine(), room=max(lengths) + 2)
    assert (tight[longest].new_tokens, tight[longest].finished) == (2, "context")


@pytest.mark.usefixtures("vllm")
def test_an_adapter_is_named_and_its_rank_rounded_up(tmp_path: Path) -> None:
    model = ModelConfig(name="llama", path="llama", architecture="llama", revision="abc")
    engine = vllm_engine.load(model, "/bases/llama", "bfloat16", 33, 2048)
    assert engine.settings == {
        "model": "/bases/llama", "revision": "abc", "dtype": "bfloat16",
        "trust_remote_code": False, "enable_prefix_caching": False, "max_model_len": 2048,
        "seed": 0, "enable_lora": True, "max_lora_rank": 64,
    }  # fmt: skip
    answers(engine, adapter=tmp_path)
    assert engine.calls[0]["lora_request"] == ("cell", 1, str(tmp_path))
    assert "enable_lora" not in vllm_engine.load(model, "x", "float16", None, None).settings
    with pytest.raises(ValueError, match="rank 512 at most"):
        vllm_engine.load(model, "x", "float16", 513, None)


def test_every_decoding_setting_is_translated() -> None:
    tokenizer = tiny_bases.tokenizer("llama")
    greedy = vllm_engine.sampling(tokenizer, DecodingConfig(temperature=0.7), 9, "###", 5)
    assert (greedy["temperature"], greedy["top_k"], greedy["seed"]) == (0.0, -1, None)
    assert (greedy["max_tokens"], greedy["stop"], greedy["stop_token_ids"]) == (9, ["###"], [2])
    assert greedy["include_stop_str_in_output"] is True
    # Otherwise vLLM adds the ends that the base's generation_config.json names.
    assert greedy["ignore_eos"] is True
    drawn = vllm_engine.sampling(
        tokenizer,
        DecodingConfig(sample=True, temperature=0.7, top_p=0.9, top_k=0, repetition_penalty=1.2),
        9,
        "",
        2**40 + 3,
    )
    assert (drawn["temperature"], drawn["top_p"], drawn["top_k"]) == (0.7, 0.9, -1)
    assert (drawn["repetition_penalty"], drawn["seed"], drawn["stop"]) == (1.2, 3, [])


def cell(method: str = "lora", **changes: Any) -> Any:
    options = changes.pop("options", {})
    found = config(method, "llama", changes.pop("precision", Precision.bf16), **options)
    found.runtime.device = Device.cuda
    for dotted, value in changes.items():
        part, _, name = dotted.partition("__")
        setattr(getattr(found, part), name, value)
    return found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"runtime__device": Device.cpu}, "needs a GPU"),
        ({"model__architecture": "chatglm"}, "is 'chatglm'"),
        ({"precision": Precision.int8}, "in another way than they were trained"),
        ({"precision": Precision.nf4}, "in another way than they were trained"),
        ({"eval__precision": Precision.fp16}, "as it was trained"),
        ({"eval__merged": True}, "as it was trained"),
        ({"eval__decoding": DecodingConfig(beams=4)}, "neither beams"),
        ({"eval__decoding": DecodingConfig(no_repeat_ngram_size=6)}, "neither beams"),
        ({"eval__tasks": ["mini_sums"]}, "transformers' model"),
        (
            {
                "eval__benchmarks": {
                    "mmcu": BenchmarkConfig(
                        function="mmcu.read", path="x", protocols=[Protocol.likelihood]
                    )
                }
            },
            "not mmcu by likelihood",
        ),
        ({"method": "dora"}, "takes plain LoRA"),
        ({"method": "houlsby"}, "takes plain LoRA"),
        ({"method": "prefix_tuning"}, "takes plain LoRA"),
        ({"method": "full"}, "takes plain LoRA"),
        ({"method": "olora"}, "takes plain LoRA"),
        ({"method": "pissa"}, "takes plain LoRA"),
        ({"method": "rslora"}, "with use_rslora"),
        ({"options": {"bias": "all"}}, "with bias"),
        ({"options": {"init_lora_weights": "corda"}}, "with init_lora_weights"),
        ({"options": {"alpha_pattern": {"q_proj": 4}}}, "with alpha_pattern"),
        ({"options": {"rank_pattern": {"q_proj": 4}}}, "with rank_pattern"),
        ({"options": {"modules_to_save": ["lm_head"]}}, "with modules_to_save"),
        ({"options": {"target_modules": ["q_proj", "embed_tokens"]}}, "and embed_tokens in"),
        ({"options": {"target_modules": ".*proj"}}, r"and .*proj in"),
        ({"model__architecture": "bloom"}, "no adapter over bloom"),
    ],
)
def test_what_it_cannot_do_is_refused(
    changes: dict[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_engine.importlib.util, "find_spec", lambda name: object())
    assert list(vllm_engine.problems(cell())) == []
    assert any(expected in problem for problem in vllm_engine.problems(cell(**changes)))


@pytest.mark.parametrize("method", ["lora", "lora_all_linear", "lora_plus", "none"])
def test_plain_lora_and_the_base_as_it_is_are_taken(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_engine.importlib.util, "find_spec", lambda name: object())
    assert list(vllm_engine.problems(cell(method))) == []
    bloom = cell(method, model__architecture="bloom")
    assert bool(list(vllm_engine.problems(bloom))) == (method != "none")


def test_all_linear_modules_may_be_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_engine.importlib.util, "find_spec", lambda name: object())
    assert list(vllm_engine.problems(cell(options={"target_modules": "all-linear"}))) == []


def test_the_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_engine.importlib.util, "find_spec", lambda name: None)
    [problem] = vllm_engine.problems(cell())
    assert "pip install 'tunegrid[vllm]'" in problem
