from __future__ import annotations

import pytest
import torch

from doubles import tiny_bases
from tunegrid.config.schema import DecodingConfig
from tunegrid.data.tokens import encode_prompt
from tunegrid.models.inference.generation import Answer, answer, plan_batches

PROMPTS = [
    "### Question: the fox\n### Response:",
    "jumps",
    "Name the capital of France, 巴黎. ### Response:",
    "the dog jumps over the lazy fox and the dog",
    "a b",
]


def answers(model, kind: str, prompts=PROMPTS, **options) -> dict[int, Answer]:
    chosen = {
        "decoding": DecodingConfig(),
        "max_new_tokens": 12,
        "stop": "###",
        "batch_tokens": 10_000,
        "seed": 0,
        "progress_label": "tiny",
        "progress": False,
    } | options
    return dict(answer(model, tiny_bases.tokenizer(kind), prompts, **chosen))


def method(kind: str):
    """A base whose answers depend on the prompt."""
    return tiny_bases.lora(tiny_bases.base(kind), kind).model


def by_hand(model, kind: str, prompt: str, new_tokens: int) -> list[int]:
    """Greedy decoding, the whole text again for each token."""
    tokenizer = tiny_bases.tokenizer(kind)
    ids = encode_prompt(tokenizer, prompt)
    start = len(ids)
    model.eval()
    for _ in range(new_tokens):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits
        ids.append(int(logits[0, -1].argmax()))
        if ids[-1] == tokenizer.eos_token_id:
            break
    return ids[start:]


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_a_batch_with_a_cache_equals_one_prompt_without(kind):
    model = method(kind)
    found = answers(model, kind, stop="")
    assert sorted(found) == list(range(len(PROMPTS)))
    assert len({entry.text for entry in found.values()}) > 2
    for index, prompt in enumerate(PROMPTS):
        expected = by_hand(model, kind, prompt, 12)
        text = tiny_bases.tokenizer(kind).decode(expected, skip_special_tokens=True)
        assert found[index].text == text
        assert found[index].new_tokens == len(expected)


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_beams_do_not_depend_on_the_batch(kind):
    model = method(kind)
    beams = {"decoding": DecodingConfig(beams=3), "max_new_tokens": 6}
    together = answers(model, kind, **beams)
    alone = {i: answers(model, kind, [p], **beams)[0] for i, p in enumerate(PROMPTS)}
    assert together == alone


def forced(model, kind: str, *texts: str):
    """Make the base continue the prompts, whose last ids differ, with these texts, then `a`."""
    tokenizer = tiny_bases.tokenizer(kind)
    scripts = [list(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    state = {"step": 0}
    filler = tokenizer("a", add_special_tokens=False)["input_ids"][-1]
    original = model.forward

    def forward(*arguments, **options):
        output = original(*arguments, **options)
        wanted = torch.full_like(output.logits[:, -1], -100.0)
        for row in range(len(wanted)):
            script = scripts[row]
            step = state["step"]
            wanted[row, script[step] if step < len(script) else filler] = 100.0
        state["step"] += 1
        output.logits[:, -1] = wanted
        return output

    model.forward = forward
    return model


@pytest.mark.parametrize("kind", tiny_bases.KINDS)
def test_each_row_ends_where_its_own_end_is(kind):
    # Of the same length, so that the rows keep their order.
    prompts = ["fox 1", "fox 2", "fox 3"]
    model = forced(tiny_bases.base(kind), kind, "yes###no", "ja</s>", "and on and on and on and on")
    found = answers(model, kind, prompts, max_new_tokens=8)
    assert (found[0].text, found[0].finished) == ("yes###", "stop")
    assert (found[1].text, found[1].finished) == ("ja", "eos")
    assert found[2].finished == "length"
    assert found[2].new_tokens == 8
    tokenizer = tiny_bases.tokenizer(kind)
    ended = tokenizer("ja</s>", add_special_tokens=False)["input_ids"]
    assert found[1].new_tokens == len(ended)
    stopped = tokenizer.decode(
        tokenizer("yes###no", add_special_tokens=False)["input_ids"][: found[0].new_tokens]
    )
    assert stopped.strip() == "yes###"


def test_a_stop_text_in_the_prompt_does_not_end_the_answer():
    model = forced(tiny_bases.base("bloom"), "bloom", "one two three")
    found = answers(model, "bloom", ["### ###"], max_new_tokens=4)
    assert found[0].finished == "length"


def test_a_stop_text_over_several_tokens_of_bytes_is_found():
    model = forced(tiny_bases.base("bloom"), "bloom", "好的。结束吧，再见再见再见再见")
    found = answers(model, "bloom", ["fox"], stop="结束吧", max_new_tokens=60)
    assert found[0].finished == "stop"
    assert found[0].text == "好的。结束吧"


def test_without_a_stop_text_generation_goes_on():
    model = forced(tiny_bases.base("llama"), "llama", "yes###no")
    found = answers(model, "llama", ["fox"], stop="", max_new_tokens=30)
    assert found[0].finished == "length"
    assert "###no" in found[0].text


def test_samples_depend_on_the_seed_alone():
    model = method("llama")
    sampled = {"decoding": DecodingConfig(sample=True, temperature=2.0), "batch_tokens": 70}
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = answers(model, "llama", **sampled)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert answers(model, "llama", **sampled) == first
    assert answers(model, "llama", seed=1, **sampled) != first


def test_a_continued_run_gives_the_same_samples():
    model = method("llama")
    options = {"decoding": DecodingConfig(sample=True, temperature=2.0), "batch_tokens": 90}
    whole = list(answers(model, "llama", **options).items())
    assert len(plan_batches([20] * 5, 12, 90, equal_lengths=False)) > 1
    for answered in range(1, len(whole)):
        done = [index for index, _ in whole[:answered]]
        rest = answers(model, "llama", done=done, **options)
        assert list(rest.items()) == whole[answered:]


def test_batches_stay_within_their_budget_longest_first():
    lengths = [5, 50, 7, 30, 30, 8]
    batches = plan_batches(lengths, new_tokens=10, budget_tokens=85, equal_lengths=False)
    assert sorted(index for batch in batches for index in batch) == list(range(6))
    assert batches[0] == [1]
    for batch in batches:
        assert (lengths[batch[0]] + 10) * len(batch) <= 85
    equal = plan_batches(lengths, new_tokens=10, budget_tokens=1000, equal_lengths=True)
    assert [[lengths[i] for i in batch] for batch in equal] == [[50], [30, 30], [8], [7], [5]]


def test_a_prompt_short_of_room_is_answered_in_what_is_left():
    """The tiny Llama reads 256 tokens."""
    model = method("llama")
    texts = ["fox", "fox " * 55, "fox " * 900]
    tokens = [len(encode_prompt(tiny_bases.tokenizer("llama"), text)) for text in texts]
    assert tokens[1] < 250 < 256 <= tokens[2]
    room = 256 - tokens[1]
    found = answers(model, "llama", texts, max_new_tokens=room + 3)
    short, long, full = found[0], found[1], found[2]
    assert short.finished != "context"
    expected = by_hand(model, "llama", texts[1], room)
    assert long.new_tokens == len(expected) <= room
    assert long.finished == ("context" if len(expected) == room else "eos")
    assert (full.text, full.new_tokens, full.finished) == ("", 0, "context")


def test_the_model_is_left_as_it_was():
    model = method("llama").train()
    own = model.generation_config
    answers(model, "llama", max_new_tokens=2)
    assert model.training
    assert model.config.use_cache is False
    assert model.generation_config is own


def test_a_base_that_asks_for_sampling_is_decoded_as_the_cell_says():
    model = tiny_bases.base("llama")
    expected = answers(model, "llama")
    model.generation_config.do_sample = True
    model.generation_config.temperature = 5.0
    model.generation_config.repetition_penalty = 3.0
    assert answers(model, "llama") == expected
    adapted = tiny_bases.lora(model, "llama", awake=False).model
    assert answers(adapted, "llama") == expected


@pytest.mark.parametrize("type_", ["PROMPT_TUNING", "PREFIX_TUNING"])
def test_methods_with_tokens_in_front_do_not_depend_on_the_batch(type_):
    from tunegrid.models.methods import library

    model = library.attach(tiny_bases.base("llama"), type=type_, num_virtual_tokens=3).model
    together = answers(model, "llama")
    alone = {i: answers(model, "llama", [p])[0] for i, p in enumerate(PROMPTS)}
    assert together == alone


def test_a_batch_too_large_for_the_gpu_is_halved(monkeypatch):
    from tunegrid.models.inference import generation

    model = method("llama")
    expected = answers(model, "llama")
    at_once = generation._continue_at_once
    sizes = []

    def small_gpu(model, tokenizer, rows, *rest):
        sizes.append(len(rows))
        if len(rows) > 2:
            raise torch.cuda.OutOfMemoryError("too much")
        return at_once(model, tokenizer, rows, *rest)

    monkeypatch.setattr(generation, "_continue_at_once", small_gpu)
    assert answers(model, "llama") == expected
    # The half that fitted is kept: nothing is tried again with more.
    assert sizes == [5, 2, 2, 1]
