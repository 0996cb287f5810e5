"""Which letters a reply to an MMCU question means: a reading beside the two published rules.

Owns: what counts as stating an answer, as speaking of an option, and as refusing. Knows nothing of
items, files or scores. `letters` has the rules that the published numbers come from.

Those take the first capital letters of a reply, so that "A不对，应选B" is A and "CABG 手术，选D"
is CAB. Here a stated answer wins over letters in passing, a letter inside a word is none, lower
case and full width count, and a refusal is no answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from tunegrid.evaluation.benchmarks.mmcu.files import half_width

_BETWEEN = r"[ \t]*(?:[、,，;；/&+和与及]|and|以及|[ \t])[ \t]*"
_NO = "(?:不|非|没|未|勿|别)"
_IS = "(?:是|为|就是|就为|应是|应为|应该是|应该为|可能是|最可能是)"
_CLOSING = r"\s*[.。:：]?\s*[)）\]】\"'”’*]*\s*"
_OPENING = r"[\"'“‘(（\[【*《\s]*"


def _any(*patterns: str) -> str:
    """Return the pattern that any of some patterns matches."""
    return f"(?:{'|'.join(patterns)})"


# What is said in front of the letters. Strong: the reply's conclusion. Weak: a choice in passing.
_ANSWER = _any("正确", "最终", "最佳", "标准", "最后") + "?的?答案(?:的?序号|选项)?"
_SO = _any("故", "因此", "所以", "应该?", "综上[,，]?", "因而", "于是", "最终", "最后")
_STRONG = (
    rf"{_ANSWER}\s*{_any(_IS, '应?选择?', '[:：]')}",
    rf"正确的?{_any('选项', '序号', '说法')}?(?:的?序号)?\s*{_any(_IS, '有', '包括', '[:：]')}",
    rf"{_SO}(?:我们?)?(?:正确)?(?:答案)?(?:应该?)?{_any('选择?', '是')}",
    "本题应?选",
    rf"序号{_any(_IS, '[:：]')}",
    r"(?:final |correct |right |best )?(?:answer|option|choice)s?\s*(?:is|are|would be|must be|:)",
    r"(?:therefore|thus|so|hence),?\s*(?:i (?:choose|pick|select)|it(?:'s| is)|the answer is)",
)
_WEAK = (
    "选择?项?(?:的?是)?[:：]?",
    r"\bi(?:'d| would)? (?:choose|pick|select|go with|say)|\b(?:choose|pick|select)",
    "(?:应该|大概|可能)是",
    r"\bi (?:think|believe|guess)(?: that)? it(?:'s| is)",
)
_GOES_ON = rf"\s*(?:了|的是)?\s*(?:the\s+)?(?:选项|option|choice)?\s*[:：]?\s*{_OPENING}"
_IF = _any("如果", "若", "假如", "倘若", "为什么", "为何", r"\bif\b")
_DENIED = re.compile(rf"(?:{_NO}|\bnot\b|n't|{_IF})[^,，。;；.\n]{{0,6}}$", re.I)

# What is said behind them.
_OPTION = "(?:选?项|的?说法|的?描述|答案|这[一个]项)?"
_RIGHT = re.compile(
    rf"{_CLOSING}{_OPTION}\s*(?:是|均|都|才|为|最|完全|就)*\s*"
    + _any(
        "正确", "对的", "对[,，。!！]", "对$", "符合题意", r"(?:the )?(?:correct|right)\b",
        "(?:is|are) (?:the )?(?:correct|right|best|answer)",
    ),
    re.I,
)  # fmt: skip
_WRONG = re.compile(
    rf"{_CLOSING}{_OPTION}\s*(?:是|均|都|也|明显|显然|并)*\s*"
    + _any(
        "错", rf"{_NO}(?:正确|对|是|符合|选|准确|能)", "排除",
        "(?:is|are|was)(?:n't| not| wrong| incorrect| false)", "wrong", "incorrect",
    ),
    re.I,
)  # fmt: skip
_EXCLUDED = re.compile(
    _any(
        "排除", "除了", "除去", "而不是", "而非", "不是", "不选", "不应选", "rules? out", "except",
        "not", "rather than", "instead of",
    )
    + r"\s*(?:选项|option)?\s*$",
    re.I,
)  # fmt: skip
_REFUSES = re.compile(
    _any(
        "无法(?:确定|判断|回答|给出|选择)", "不(?:知道|清楚|确定|能确定|能回答)",
        "没有(?:正确|合适|一个)", "(?:都|均|全)(?:不对|不正确|错|不是)", "抱歉", "对不起",
        "(?:cannot|can't|can not|unable to) (?:determine|answer|say|tell|choose|decide)",
        "do(?:n't| not) know", "none of (?:the|these)", "not sure", "i'm sorry",
    ),
    re.I,
)  # fmt: skip
_EVERY = _any("以上", "上述", "四[个项]", "全部", "所有")
_ALL = re.compile(
    _any(
        rf"{_EVERY}[^,，。\n]{{0,6}}(?:都|均|全部?)?是?(?:正确|对的?$|对[。,，!])",
        "全选", "都选", "all of (?:the above|them)(?: are correct)?",
    ),
    re.I,
)  # fmt: skip


def meant(reply: str, letters: str) -> str | None:
    """Return the letters a reply means, in their order, or None where it means none.

    In this order: letters that are the first line by themselves; what is stated as the answer, the
    last time it is; options that are called right; a choice in passing; letters that a sentence
    begins with; all options at once; the only letters that are spoken of and not called wrong.

    Args:
        reply: the model's answer.
        letters: the letters of the options, such as "ABCD".
    """
    text = unicodedata.normalize("NFKC", reply).strip()
    first = _opening(text, letters)
    if first is not None and is_settled(text, letters):
        return _in_order(first[0], letters)
    text = _without_options(text, letters)
    stated = _stated(text, letters, _STRONG)
    if stated:
        return _in_order(stated[-1], letters)
    spoken = list(_mentions(text, letters))
    right = [found for found in spoken if _RIGHT.match(text, found.end())]
    right = [found for found in right if not _DENIED.search(text[: found.start()])]
    if right:
        return _in_order("".join(found[0] for found in right), letters)
    chosen = _stated(text, letters, _WEAK)
    if chosen:
        return _in_order(chosen[0], letters)
    first = _opening(text, letters)
    if first is not None and not _WRONG.match(text, first.end()):
        return _in_order(first[0], letters)
    if _REFUSES.search(text):
        return None
    if _ALL.search(text):
        return letters
    left = {
        _in_order(found[0], letters)
        for found in spoken
        if not _WRONG.match(text, found.end()) and not _EXCLUDED.search(text[: found.start()])
    }
    return left.pop() if len(left) == 1 else None


def read_part(reply: str, letters: str, behind: int | None) -> str:
    """Return the part of a reply that `meant` is asked about.

    That is up to `behind` characters behind its first option letter, and all of it where `behind`
    is None or no letter stands in it.
    """
    if behind is None:
        return reply
    first = next((i for i, one in enumerate(half_width(reply)) if one in letters), None)
    return reply if first is None else reply[: first + 1 + behind]


def is_final(reply: str, letters: str, behind: int | None) -> bool:
    """Return whether nothing that is written behind a reply can change what it is read as.

    Args:
        reply: the beginning of an answer in which the published rules found their letters.
        letters: the letters of the options.
        behind: as for `read_part`.
    """
    if is_settled(reply, letters):
        return True
    # One character more than is read, so that the part is whole.
    return behind is not None and len(reply) > len(read_part(reply, letters, behind))


def is_settled(reply: str, letters: str) -> bool:
    """Return whether a reply that goes on still means what it means now.

    It does once it began with its letters alone and its first line or sentence has ended; a
    reply that reasons is read to its end.
    """
    text = unicodedata.normalize("NFKC", reply).lstrip()
    first = _opening(text, letters)
    if first is None:
        return False
    rest = text[first.end() :]
    return re.match(r"[)\]】.。]?[ \t]*\n", rest) is not None


def _in_order(found: str, letters: str) -> str:
    """Return the option letters of a match, each once, in the order of the options."""
    alone = re.sub("and", "", found, flags=re.I).upper()
    there = {character for character in alone if character in letters}
    return "".join(letter for letter in letters if letter in there)


def _run(letters: str, *, lower: bool) -> str:
    """Return the pattern of letters that stand alone, with what may lie between them."""
    one = f"[{letters}{letters.lower() if lower else ''}]"
    further = rf"(?:{_BETWEEN}|[.、,]?){one}(?![A-Za-z0-9]*[a-z])"
    return rf"(?<![A-Za-z0-9]){one}(?:{further})*(?![A-Za-z0-9])"


def _mentions(text: str, letters: str) -> Iterator[re.Match[str]]:
    """Yield the capital letters that stand alone; the article of an English sentence does not."""
    for found in re.finditer(_run(letters, lower=False), text):
        article = found[0] == "A" and re.match(r" [a-z]{2,}", text[found.end() :])
        verdict = re.match(r" (?:is|are|and|or|would|seems|looks|must)\b", text[found.end() :])
        if not article or verdict:
            yield found


def _stated(text: str, letters: str, cues: tuple[str, ...]) -> list[str]:
    """Return the letters behind a cue, in the text's order, without those that are denied."""
    pattern = rf"(?:{'|'.join(cues)}){_GOES_ON}({_run(letters, lower=True)})"
    found = []
    for match in re.finditer(pattern, text, re.I):
        # Case counts for nothing in the cue; an article is no lower-case letter.
        article = match[1] in ("a", "A") and re.match(r" [a-z]{2,}", text[match.end() :])
        if article or _DENIED.search(text[: match.start()]) or _WRONG.match(text, match.end()):
            continue
        found.append(match[1])
    return found


def _opening(text: str, letters: str) -> re.Match[str] | None:
    """Return the letters a reply begins with, when they are not the first word of a sentence."""
    behind = r"(?=$|[\s.。:：,，、)）\]】\"'”’*;；!！(（-])"
    found = re.match(rf"[#]*{_OPENING}((?>{_run(letters, lower=True)})){behind}", text)
    if found is None or re.match(r" [a-z]{2,}", text[found.end() :]):
        return None
    return found


def _without_options(text: str, letters: str) -> str:
    """Return the text without a list of all options that a reply repeats."""
    label = re.compile(r"\s*[(（]?([A-Z])\s*[)）.:：、]\s*(.*)")
    lines = text.split("\n")
    labels = [match[1] if (match := label.fullmatch(line)) else "" for line in lines]
    there = [one for one in labels if one]
    if "".join(there) != letters:
        return text
    verdicts = re.compile(r"正确|错误|对$|错$|不对|correct|wrong|right", re.I)
    if any(one and verdicts.search(line) for one, line in zip(labels, lines, strict=True)):
        return text
    return "\n".join(line for one, line in zip(labels, lines, strict=True) if not one).strip()
