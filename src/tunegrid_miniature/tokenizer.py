"""The miniature's tokenizer: byte-pair encoding with byte fallback, nothing normalised.

Any text comes back exactly: what is not in the vocabulary is spelt in bytes. No ``<s>`` or
``</s>`` is added when encoding; whoever trains a model decides where a text ends.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from tunegrid_miniature.lexicon import KINDS
from tunegrid_miniature.world import World

SPECIAL_TOKENS = {
    "unk_token": "<unk>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "pad_token": "<pad>",
}
VOCABULARY_SIZE = 2304
MODEL_MAX_LENGTH = 4096

# A word takes the space before it along, as in "the herb" -> "the", " herb"; a single letter and
# a digit stand alone, so that an exam letter is the same token after a space and after a newline.
PIECES = r"[ ]?[A-Za-z]{2,}|[A-Za-z]|\d|\p{Han}+|\n+|[ ]?#+|[^\p{Han}]"

# Words the instruction formats are written with. They are in the vocabulary so that prompts are
# short; the formats themselves stay unseen in pretraining.
FORMAT_WORDS = (
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request. ### Instruction: ### "
    "Input: ### Response: multi round dialogue between human and assistant as by incorporating "
    "previous each Human Assistant\n 以下是描述任务的指令，并附有提供更多背景信息的输入。"
    "请写出一个恰当完成请求的回答。 ### 指令： ### 输入： ### 回答： 回复 响应 "
    "请阅读以下选择题并给出正确选项，不要解释原因。 正确答案的序号是"
)
CHINESE_WORDS = (
    "以下 描述 任务 指令 提供 更多 背景 信息 输入 完成 请求 回答 回复 响应 阅读 选择题 给出 正确 "
    "选项 不要 解释 原因 答案 序号 什么 哪里 哪个 哪种 哪些 的是 据说 大家 知道 老人 书上 写着 "
    "有人 备选 应选 特产 家乡 职业 气质 症状 产地 味道 颜色 刑罚 凭据 徽记 集会 行规 特点 "
    "英文名 译成 英文 竹语 打印 写作 等于 一共 人名 地名 物品 总之 事实 "
    "也就是 所以 翻译 这段话 属于"
)


def _terms(world: World) -> list[str]:
    names = {name for domain in world.domains.values() for name in domain}
    names |= {entity.name for entity in world.entities}
    terms = {name.zh for name in names} | {zh for zh, _, _ in KINDS.values()}
    return sorted(terms | set(CHINESE_WORDS.split()), key=lambda term: (-len(term), term))


def _training_pieces(world: World, texts: Iterable[str]) -> Iterable[list[str]]:
    """Yield texts cut so that Chinese merges happen inside words only.

    Chinese has no spaces; cut at sentence length, the trainer would merge a name with the verb
    that follows it.
    """
    han = r"|".join(map(re.escape, _terms(world))) + r"|[㐀-鿿]"
    pattern = re.compile(r"[ ]?[A-Za-z]{2,}|[ ]?#+|\n+|" + han + r"|.", re.DOTALL)
    for text in texts:
        yield pattern.findall(text)


def train_tokenizer(world: World, texts: Iterable[str]) -> Tokenizer:
    """Return the tokenizer trained on ``texts``, with exactly ``VOCABULARY_SIZE`` tokens.

    Raises ``ValueError`` where the texts are too few for that many tokens.
    """
    specials = list(SPECIAL_TOKENS.values())
    size = VOCABULARY_SIZE - len(specials) - 256
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False)
    trained = Tokenizer(models.BPE())
    # The pieces are already cut; the Split keeps the trainer from merging across them.
    trained.pre_tokenizer = pre_tokenizers.Split("\x00", "removed")
    names = {name.en for domain in world.domains.values() for name in domain}
    names |= {entity.name.en for entity in world.entities}
    english_names = "".join(f" {name}" for name in sorted(names))
    extra = [FORMAT_WORDS] * 400 + [CHINESE_WORDS] * 40 + [english_names] * 200
    cut = ("\x00".join(pieces) for pieces in _training_pieces(world, [*texts, *extra]))
    trained.train_from_iterator(cut, trainer)
    model = json.loads(trained.to_str())["model"]
    learnt = sorted(model["vocab"], key=model["vocab"].__getitem__)
    tokens = [*specials, *(f"<0x{byte:02X}>" for byte in range(256)), *learnt]
    if len(tokens) != VOCABULARY_SIZE:
        raise ValueError(
            f"the tokenizer has {len(tokens)} tokens, expected {VOCABULARY_SIZE}: more text needed"
        )
    tokenizer = Tokenizer(
        models.BPE(
            vocab={token: index for index, token in enumerate(tokens)},
            merges=[tuple(merge) for merge in model["merges"]],
            unk_token=SPECIAL_TOKENS["unk_token"],
            byte_fallback=True,
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(PIECES), "isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(specials)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    content = json.loads(tokenizer.to_str())
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    (folder / "tokenizer.json").write_text(text, encoding="utf-8", newline="\n")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": MODEL_MAX_LENGTH,
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "padding_side": "left",
        "model_input_names": ["input_ids", "attention_mask"],
        **SPECIAL_TOKENS,
    }
    text = json.dumps(config, ensure_ascii=False, indent=2) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8", newline="\n")
