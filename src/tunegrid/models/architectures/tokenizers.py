"""The tokenizers of the bases here, by architecture and never by what their files call them.

Owns: which class and which files. Both ChatGLMs name the class `ChatGLMTokenizer`, and
transformers' AutoTokenizer would read the second's files with the first's and give other ids.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

OWN = ("baichuan", "baichuan_alibi", "chatglm", "chatglm2", "internlm", "moss")
"""Architectures whose tokenizer is made here."""


def own_tokenizer(architecture: str, path: str, revision: str | None) -> Any:
    """Return the tokenizer of a base of one of the architectures in `OWN`.

    Args:
        architecture: as `model.architecture` says.
        path: a directory, or a repository id of the hub.
        revision: on the hub.

    Raises:
        OSError: a file that is not there.
        ValueError: a file that is not what its name says.
        ConfigError: ids that are not those of the file.

    """
    from transformers.utils import cached_file

    def file(name: str) -> str:
        found = cached_file(path, name, revision=revision)
        return str(found)

    if architecture == "moss":
        from tunegrid.models.architectures.moss import tokenization as moss

        names = (moss.VOCABULARY, moss.MERGES, moss.ADDED)
        tokenizer = moss.moss_tokenizer(*map(file, names))
    else:
        from tunegrid.models.architectures.sentencepiece_text import checked

        kind, name = _sentencepiece_class(architecture)
        try:
            tokenizer = checked(kind(vocab_file=file(name)), path)
        except RuntimeError as error:
            raise ValueError(f"{name} is no sentencepiece model ({error})") from error
    tokenizer.name_or_path = path
    return tokenizer


def check_conversion(tokenizer: Any, path: str) -> None:
    """Raise where a tokenizer is not what the sentencepiece file in its directory says.

    Args:
        tokenizer: as transformers made it.
        path: a directory; a repository of the hub is not asked for its file.

    Raises:
        ConfigError: other ids.

    """
    file = Path(path) / "tokenizer.model"
    if file.is_file():
        from tunegrid.models.architectures.sentencepiece_text import refuse_converted_wrongly

        refuse_converted_wrongly(tokenizer, str(file), path)


def _sentencepiece_class(architecture: str) -> tuple[Any, str]:
    """Return the tokenizer's class and the name of its file."""
    from tunegrid.models.architectures.baichuan import tokenization as baichuan
    from tunegrid.models.architectures.chatglm import tokenization as chatglm
    from tunegrid.models.architectures.chatglm2 import tokenization as chatglm2
    from tunegrid.models.architectures.internlm import tokenization as internlm

    return {
        "baichuan": (baichuan.BaichuanTokenizer, baichuan.FILE),
        "baichuan_alibi": (baichuan.BaichuanTokenizer, baichuan.FILE),
        "chatglm": (chatglm.ChatGLMTokenizer, chatglm.FILE),
        "chatglm2": (chatglm2.ChatGLM2Tokenizer, chatglm2.FILE),
        "internlm": (internlm.InternLMTokenizer, internlm.FILE),
    }[architecture]
