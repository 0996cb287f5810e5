"""The one renderer: example and templates become the text that training and evaluation share.

Owns: filling templates in, joining prompt and answer, cutting an answer. Knows nothing of files,
tokens or special tokens (the end-of-text id is added by the token layer).

Data is never interpreted: a brace in an instruction stays a brace, because both fields are put
in by one pass over the template and never searched again.
"""

from __future__ import annotations

import re

from tunegrid.config.schema import PromptConfig
from tunegrid.data.example import Example
from tunegrid.data.rendered import Rendered, joined

_FIELD = re.compile(r"\{(instruction|input)\}")
_ANY_FIELD = re.compile(r"\{([A-Za-z_]\w*)\}")


def render(prompt: PromptConfig, instruction: str, input: str = "") -> Rendered:
    """Return the prompt of an instruction: `with_input`, or `without_input` when input is ""."""
    template = prompt.without_input if input == "" else prompt.with_input
    return _filled(template, instruction, input)


def render_choice(prompt: PromptConfig, question: str) -> Rendered:
    """Return the prompt of an exam item; `question` holds the options too."""
    return _filled(prompt.multiple_choice, question, "")


def answer_text(prompt: PromptConfig, output: str) -> Rendered:
    """Return what follows the prompt in a training text: the separator and the output."""
    return joined([(prompt.separator, False), (output, True)])


def training_texts(prompt: PromptConfig, example: Example) -> tuple[Rendered, ...]:
    """Return what of an example is read and what is learned, in turn.

    In a conversation each question is rendered as an instruction alone would be, so that the
    prompt of a single question is a prefix of the training text here too.
    """
    texts: list[Rendered] = []
    for exchange in example.earlier:
        texts += [render(prompt, exchange.question), answer_text(prompt, exchange.answer)]
    texts.append(render(prompt, example.instruction, example.input))
    return (*texts, answer_text(prompt, example.output))


def cut_answer(prompt: PromptConfig, text: str) -> str:
    """Return a generated text up to the first `stop`, without surrounding white space.

    The study cuts so: `text.split("### Response:")[1].split("###")[0].strip()`.
    """
    return text.split(prompt.stop, maxsplit=1)[0].strip()


def problems(prompt: PromptConfig) -> list[str]:
    """Return what is wrong with a prompt's templates; an empty list when it can be used."""
    found = []
    for name, needed, refused in (
        ("with_input", ("instruction", "input"), ()),
        ("without_input", ("instruction",), ("input",)),
        ("multiple_choice", ("instruction",), ("input",)),
    ):
        fields = set(_ANY_FIELD.findall(getattr(prompt, name)))
        accepted = " and ".join(f"{{{field}}}" for field in needed)
        for field in needed:
            if field not in fields:
                found.append(f"prompt.{name} lacks {{{field}}}; put it where the text belongs")
        for field in refused:
            if field in fields:
                found.append(f"prompt.{name} has {{{field}}}, and nothing fills it in; remove it")
        for field in sorted(fields - {"instruction", "input"}):
            found.append(f"prompt.{name} has the unknown {{{field}}}; it takes {accepted}")
    if prompt.stop == "":
        found.append("prompt.stop is empty and would cut every answer to nothing; give a text")
    return found


def _filled(template: str, instruction: str, input_: str) -> Rendered:
    values = {"instruction": instruction, "input": input_}
    parts, end = [], 0
    for match in _FIELD.finditer(template):
        parts += [(template[end : match.start()], False), (values[match[1]], True)]
        end = match.end()
    return joined([*parts, (template[end:], False)])
