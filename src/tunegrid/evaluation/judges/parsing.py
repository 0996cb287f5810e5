r"""The score in a judge's reply, or the reason why none is read.

Owns: reading replies. Knows nothing of judges, items or rubrics.

The study stores its judge's replies and has no parser. Judges were asked for 0 to 1 as "得分:", and
write such as "得分: 0.8分。回答包含了…", "…因此，模型答案得分为 0 分。", "所以，模型答案得1分。",
"分数：3分。…" and "". A number is a score only where the reply says so, and only when nothing else
in the reply speaks against it: what is left is unparsed and counted, never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from tunegrid.evaluation.judges import statements

EMPTY = "empty reply"
NO_SCORE = "no score found"
SEVERAL = "several different scores"
OUT_OF_RANGE = "out of range"
OTHER_SCALE = "on another scale"
CUT_OFF = "may be cut off"
NOT_PLAIN = "not a plain number"
IN_DOUBT = "the number is a limit, a deduction or a condition"
GENERAL = "the number is said of answers in general"
ONLY_THOUGHTS = "thoughts without a verdict"


@dataclass(frozen=True)
class Parsed:
    """A score in 0 to 1 with an empty reason, or None with the reason."""

    score: float | None
    reason: str


@dataclass(frozen=True)
class _Candidate:
    """A number at a place that says score: `doubt` is why it cannot be read, "" for none."""

    value: float | None
    doubt: str
    is_final: bool


# Lengths are bounded everywhere, so that no reply, however long, takes quadratic time.
_NUMBER = r"(?:\d{1,9}(?:\.\d{1,20})?|\.\d{1,20})"
# 十 is left out: "得十分" means very much so.
_CHINESE = r"(?:[零〇一两二三四五六七八九](?:点[零〇一二三四五六七八九]+)?)"
_OPEN = r"[\s\"'`*_《〈【】\[\](){}（“”‘’「」『』$<>#|]{0,12}"
_LINK = (
    r"(?:(?:应该|应当|应|可以|可能|大概|大约|约|约为|就|也|只|仅|均|都|暂|"
    r"is|was|of|would be|should be|为|是|给|打|至|到|得|有|==|=|:|：|—|\.{2,3}|…|-{2,3})"
    r"[\s\"'`*_】\])）”]{0,8}){0,6}"
)
# A keyword is no score where it begins another word: 得分点, 评分标准, 得分理由.
_NO_OTHER_WORD = (
    r"(?!\s*(?:标准|细则|规则|依据|原因|理由|点|率|范围|区间|要点|要求|项|情况|线|说明|方式|方法|"
    r"上限|下限|最高|最低|criteria|range|scale|rubric|points? for))"
)
_NOUN = (
    r"(?:(?:得分|得分数|分数|得分值|评分|打分|总分|总得分|得分數|分數|評分|总评|评定|成绩)"
    + _NO_OTHER_WORD
    + r"|(?:score|rating|grade|mark)\b"
    + _NO_OTHER_WORD
    + r")"
)
_VERB = r"(?:得到|获得|获|得|给出|给予|给|打出|打|评为|评定为|评|值得|值|判为|判|拿到|拿)"
_BETWEEN = (
    r"(?:了|出|该|这个|这份|此|他|它|其|模型|助手|的|回答|答案|作答|作文|内容|"
    r"this|the|a|an|answer|response|model'?s?|it){0,8}"
)
_ANCHORED = re.compile(
    rf"(?P<noun>{_NOUN})(?P<gap>{_OPEN}{_LINK}{_OPEN})"
    rf"(?P<number>(?P<sign>[-−]\s*)?(?:{_NUMBER}|{_CHINESE}(?=\s*分)|满分))"
    rf"|(?P<verb>{_VERB})\s*{_BETWEEN}\s*(?:{_VERB})?{_LINK}{_OPEN}"
    rf"(?P<number2>(?P<sign2>[-−]\s*)?(?:{_NUMBER}|{_CHINESE}))[\s\"'`*】\])）”]*(?=分(?!之|钟|类|别|析|享)|points?\b)"
    rf"|(?P<english>(?:give|gave|gets\b|got\b|assign|award|rate|score|deserve|earn|receive)\w*)\b[^.。\n\d]{{0,40}}?{_OPEN}"
    rf"(?P<number3>(?P<sign3>[-−]\s*)?{_NUMBER})",
    re.IGNORECASE,
)
_MARKED = re.compile(
    rf"(?P<mark>因此|综上所述|综上|所以|最终|最后|结论)[，,:：\s为是]*{_OPEN}(?P<number>{_NUMBER})\s*分"
    rf"|\\boxed\{{\s*(?P<boxed>{_NUMBER})\s*\}}|\[\[\s*(?P<double>{_NUMBER})\s*\]\]"
)
_ALONE = re.compile(
    rf"[\s\"'`*(\[【]*(?P<number>{_NUMBER})[\"'`*)\]】]*"
    rf"(?:\s*(?P<over>/|⁄|÷|out of)\s*(?P<whole>{_NUMBER})|\s*(?P<percent>%))?"
    r"\s*(?P<points>分|points?)?[\"'`*)\]】]*\s*(?P<end>[。!.]?)\s*(?P<rest>\n.*|$)",
    re.IGNORECASE | re.DOTALL,
)
_LEADING = re.compile(rf"\s*(?P<number>{_NUMBER})\s*分\s*[。，,;；:：\n]")
_POINTS = re.compile(rf"({_NUMBER})\s*分")
_FINAL = re.compile(
    r"(?:最终|最后|综合|综上|总体|整体|总得|final|overall|total)[^。；;!?！？\n]{0,24}$",
    re.IGNORECASE,
)
# What stands in the same clause before a keyword and takes the statement back.
_CONDITION = re.compile(
    r"(?:否则|原本|本来|本应|本可|原可|初步|初始|原始|每|不能|不会|不可|不应|"
    r"不该|不足以|无法|没有|没能|未能|难以|是否|能否|可否|扣|减|满分|答对|答错|标准答案|参考答案|"
    r"标准回答|[性度]|第[一二三四五六七八九十\d]+(?:点|项|步|部分|小?[题问])|"
    r"\bnot\b|n't|could have|would have|\bper\b|each|maximum|max|full|"
    r"最高|最低|最多|最少|至少|至多|不超过|上限|下限)[^，。；;,!?！？\n]{0,12}$"
    r"|[不未没]$|模型回答\s*:?\s*['\"“][^'\"”\n]*$|(?:如果|若|假如|假设|倘若|要是|除非|只有|只要|\bif\b|unless)[^。；;!?！？\n]*$",
    re.IGNORECASE,
)
_REVISED = re.compile(
    r"调整|修正|更正|改为|改成|修改为|重新评|revis|correct(?:ed|ion) to", re.IGNORECASE
)
_AFTER_DOUBT = re.compile(
    r"\s*(?:分|points?)?\s*(?:以上|以下|以内|之内|不到|或更|or (?:more|less|higher|lower)|"
    r"(?:分)?的(?:回答|答案|标准|要求|条件|前提|水平|作答|作文|范围|满分|总分|区间|情况|例子|示例)|"
    r"分?(?:中|里)的?|分?(?:需|必须|须|要求)|分?[为是]满分|表示|代表|意味着|对应|制|吗|？|\?|"
    r"(?:is )?(?:for|given (?:to|for|when|if)|awarded (?:to|for|when|if)|reserved)\b|"
    r"(?:means|indicates|represents|requires|needs|would|could)\b|"
    r"to (?:an?|any|all|every|each|perfect|correct|complete|good|right)\b|"
    r"of (?:the|these|those|all)\b|"
    r"(?:if|when|unless|only)\b|for (?:an?|each|every)\b|"
    r"(?:is |was )?(?:太高|过高|偏高|太低|过低|偏低|too (?:high|low)))",
    re.IGNORECASE,
)
_AFTER_RANGE = re.compile(
    r"\s*(?:分|%)?\s*(?:-|–|—|~|～|−|→|->|=>|至|到|或者?|、|和|与|\bto\b|\bor\b|\band\b|\+|\*|×)"
    r"\s*[零一二三四五六七八九\d.]",
    re.IGNORECASE,
)
_AFTER_FRACTION = re.compile(
    rf"\s*(?:分|points?)?\s*(?:/|⁄|÷|out of|of)\s*[\"'`*(（]*(?P<whole>{_NUMBER})", re.IGNORECASE
)
_AFTER_PERCENT = re.compile(r"\s*%")
_SCALE_TEXT = re.compile(
    rf"(?:满分|总分)\s*(?:为|是|:|：|=)?\s*(?P<a>{_NUMBER}|十|一百|百)\s*分?(?!\d)"
    rf"|(?P<b>{_NUMBER}|十|五|百)\s*分(?:满分|制)|(?:共|总共|总计|一共)\s*(?P<c>{_NUMBER})\s*分|百分(?P<d>制)"
    rf"|(?:out of|scale of|maximum(?: of| is)?)\s*(?P<e>{_NUMBER})(?!\s*(?:to|-|–)\s*\d)",
    re.IGNORECASE,
)
_SCALE_RANGE = re.compile(
    r"(?<![\d.])0(?:\.0+)?\s*分?\s*(?:-|–|—|~|～|−|到|至|和|与|\bto\b|\band\b)\s*1(?:\.0+)?(?![\d.])\s*分?"
)
_FULL_SCORE_OF_ONE = re.compile(r"满分\s*(?:为|是|:)?\s*(?:1(?:\.0+)?(?![\d.])|一)\s*分?")
_DEDUCTION = re.compile(rf"[扣减][去除掉了]*\s*{_NUMBER}")


def parse(reply: str) -> Parsed:
    """Return the score of a reply on the scale 0 to 1, or None with the reason.

    Read are a number behind a word for score ("得分：0.8分", "分数为 1", "评分 4/5",
    "得分：80%", "Score: 0.9"), behind a verb with 分 ("所以，模型答案得1分"), and a
    reply that is a number alone; full-width forms count. Not read, and so None: numbers outside 0
    to 1, replies with several different scores and none that is called final, ranges, deductions
    and conditions, what is said of answers in general, in thoughts or with a full stop as decimal
    point, scores on a scale that is not 1 (unless written as a share, 4/5), and a number at the
    very end that may have lost its digits.
    """
    if not reply.strip():
        return Parsed(None, EMPTY)
    text = statements.with_shares(_normalized(statements.without_thoughts(reply)))
    if not text.strip():
        return Parsed(None, ONLY_THOUGHTS)
    text = _SCALE_RANGE.sub(lambda match: " " * len(match[0]), text)
    text = _FULL_SCORE_OF_ONE.sub(lambda match: " " * len(match[0]), text)
    candidates = list(_candidates(text))
    if not candidates:
        alone = _alone(text)
        return alone if alone is not None else Parsed(None, NO_SCORE)
    if _REVISED.search(text):
        return Parsed(None, IN_DOUBT)
    final = [one for one in candidates if one.is_final and not one.doubt]
    chosen = final or [one for one in candidates if one.doubt not in (IN_DOUBT, GENERAL)]
    if not chosen:
        return Parsed(None, candidates[0].doubt)
    doubts = [one.doubt for one in chosen if one.doubt]
    if doubts:
        return Parsed(None, doubts[0])
    values = {one.value for one in chosen}
    if len(values) > 1:
        return Parsed(None, SEVERAL)
    return _in_range(text, values.pop())


def _in_range(text: str, value: float | None) -> Parsed:
    if value is None:
        return Parsed(None, NOT_PLAIN)
    if not 0 <= value <= 1:
        return Parsed(None, OUT_OF_RANGE)
    # "总分1分，扣0.5分": a full score beside a deduction is the scale, not the score.
    if value == 1 and _DEDUCTION.search(text):
        return Parsed(None, IN_DOUBT)
    return Parsed(value, "")


def _normalized(reply: str) -> str:
    """Return a reply with full-width digits, letters and marks as plain ones."""
    kept = reply.replace("：", ":").replace("（", "(").replace("）", ")")
    return unicodedata.normalize("NFKC", kept.replace("．", "."))


def _candidates(text: str) -> Iterator[_Candidate]:
    """Yield the numbers that the text calls a score."""
    scales = _other_scales(text)
    for match in _ANCHORED.finditer(text):
        group = next(g for g in ("number", "number2", "number3") if match[g])
        sign = match["sign" if group == "number" else f"sign{group[-1]}"]
        yield _judged(text, match.start(), match.start(group), match[group], bool(sign), scales)
    for match in _MARKED.finditer(text):
        group = next(g for g in ("number", "boxed", "double") if match[g])
        yield _judged(text, match.start(), match.start(group), match[group], False, scales)


def _judged(
    text: str, start: int, number_start: int, number: str, is_negative: bool, scales: bool
) -> _Candidate:
    """Return a number with what speaks against it in its clause and behind it."""
    before = text[max(0, start - 40) : start]
    end = number_start + len(number)
    after = text[end:]
    is_final = _FINAL.search(text[max(0, start - 40) : start + 6]) is not None
    if _CONDITION.search(before) or _CONDITION.search(text[start:number_start]):
        return _Candidate(None, IN_DOUBT, False)
    if _AFTER_DOUBT.match(after):
        return _Candidate(None, IN_DOUBT, False)
    if statements.is_general(text, start, number_start):
        return _Candidate(None, GENERAL, False)
    if is_negative:
        return _Candidate(None, OUT_OF_RANGE, is_final)
    fraction = _AFTER_FRACTION.match(after)
    value = _value(number)
    if value is None or _goes_on(number, after[fraction.end() :] if fraction else after):
        return _Candidate(None, NOT_PLAIN, is_final)
    if fraction:
        return _Candidate(_share(value, float(fraction["whole"])), "", is_final)
    if _AFTER_PERCENT.match(after):
        return _Candidate(value / 100, "", is_final)
    if _AFTER_RANGE.match(after):
        return _Candidate(None, NOT_PLAIN, is_final)
    if scales:
        return _Candidate(None, OTHER_SCALE, is_final)
    if re.fullmatch(r"\.?\s*", after) and after.startswith(".") and "." not in number:
        return _Candidate(None, CUT_OFF, is_final)
    return _Candidate(value, "", is_final)


def _share(value: float, whole: float) -> float | None:
    """Return value of whole, or None where 0.8/10 leaves open which of the two is meant."""
    if whole == 0 or (whole > 1 and value != int(value) and value < 1):
        return None
    return value / whole


def _goes_on(number: str, after: str) -> bool:
    """Return whether what follows makes the digits part of something else: 0,8 or 0.8.5 or 1e3."""
    # "0。8": whether the full stop ends a sentence or was meant as a decimal point is not told.
    if re.match(r"[。·•][ \t]*\d|\d|[.,]\d|[a-df-zA-Z_^](?!\w*oint)|e[-+]?\d", after):
        return True
    if re.match(r"\s*[星级个次题条道名等档倍元步位项处种颗]", after):
        return True
    # "1. 回答正确" and "1、" and "1)" begin a list, "1：" numbers what follows.
    return "." not in number and re.match(r"\.\s*\S|、|\)\s*\w|\s*:", after) is not None


def _value(number: str) -> float | None:
    number = number.strip().lstrip("-−").strip()
    if number == "满分":
        return 1.0
    if re.fullmatch(_NUMBER, number):
        return float(number)
    whole, _, part = number.partition("点")
    digits = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "十": 10}
    if len(whole) != 1 or any(c not in digits or digits[c] > 9 for c in part):
        return None
    return float(f"{digits[whole]}.{''.join(str(digits[c]) for c in part) or '0'}")


def _other_scales(text: str) -> bool:
    """Return whether the text names a full score other than 1."""
    for match in _SCALE_TEXT.finditer(text):
        named = next((group for group in match.groups() if group), "")
        if not re.fullmatch(_NUMBER, named):
            return True
        if match[0].startswith("总分") and float(named) < 1:
            continue
        # "4 out of 5" and "总分：4/5" are shares, which carry their scale with them.
        if re.match(r"\s*[/÷]", text[match.end() :]):
            continue
        if re.search(rf"{_NUMBER}\s*(?:分|points?)?\s*$", text[: match.start()]) and match["e"]:
            continue
        if float(named) != 1:
            return True
    return False


def _alone(text: str) -> Parsed | None:
    """Return the reading of a reply that is a number, or begins with one as its own statement."""
    match = _ALONE.fullmatch(text)
    if match is not None and not re.match(rf"\s*{_NUMBER}", match["rest"]):
        if match["end"] == "." and "." not in match["number"]:
            return Parsed(None, CUT_OFF)
        value = float(match["number"])
        if match["whole"]:
            return _in_range(text, _share(value, float(match["whole"])))
        if match["percent"]:
            return _in_range(text, value / 100)
        return Parsed(None, OTHER_SCALE) if _other_scales(text) else _in_range(text, value)
    leading = _LEADING.match(text)
    if leading is not None:
        points = {float(number) for number in _POINTS.findall(text)}
        # "1分：完全正确；0.5分：部分正确" is the rubric.
        if len(points) > 1:
            return Parsed(None, SEVERAL)
        return (
            Parsed(None, OTHER_SCALE)
            if _other_scales(text)
            else _in_range(text, float(leading["number"]))
        )
    return None
