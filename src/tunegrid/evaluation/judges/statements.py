r"""What in a judge's reply speaks of the answer at hand, and what of answers in general.

Owns: thoughts, statements in general, purposes and conditions. Knows nothing of how a score is
written.

Judges repeat their rubric before they apply it: "完全正确的回答得1分。该模型的回答是错误的。" has a
number that is nobody's score (docs/decisions/050). Texts come as `parsing` normalizes them:
full-width marks but 。 are plain ones.
"""

from __future__ import annotations

import re

_TAGS = r"(?:think|thinking|thoughts?|reasoning|analysis|reflection|scratchpad)"
_TAG = re.compile(rf"<\s{{0,3}}(?P<closing>/?)\s{{0,3}}{_TAGS}\s{{0,3}}>", re.IGNORECASE)

_SENTENCE_END = re.compile(r"[。;!?\n]|\.(?=\s)")
_LONGEST_SENTENCE = 160

_CLAUSE = r"(?:^|[,、:(])\s*"
_ANSWER = (
    r"(?:回答|答案|作答|作文|译文|翻译|摘要|回复|答复|解答|文章|故事|代码|输出|诗|文案|作品|内容|"
    r"学生|考生|人)"
)
_AT_HAND = r"(?:模型|助手|AI|机器人|系统|它|他|她|其|你|该|这|此|本|上述|以上|给出|生成|提供)"
_RIGHT_OR_WRONG = r"(?:正确|错误|准确|答对|答错|对|错|跑题|离题|切题|不正确|不对|合格|符合要求)"
_ENGLISH_ANSWER = r"(?:answer|response|reply|essay|summary|translation|solution|output|completion)"
_MAY = r"(?:would|could|can|may|might|must|will|should)"
_GETS = r"(?:get|receive|earn|score|deserve|obtain|achieve|gain|merit)"

_GENERAL = re.compile(
    # "完全正确的回答会": a kind of answer as the subject.
    rf"{_CLAUSE}(?:(?!{_AT_HAND})[^,]){{1,24}}的{_ANSWER}[^,]{{0,12}}$"
    # With a comma it may be an object, "提供了详细的内容,": those have a verb before it.
    rf"|{_CLAUSE}(?:(?!{_AT_HAND})[^,了是有与和把对在]){{1,12}}的{_ANSWER},[^,]{{0,6}}$"
    rf"|{_CLAUSE}(?:而|但)?(?:正确|错误|标准|参考|满分|优秀|完美|高分|理想|完整|好|差){_ANSWER}[^,]{{0,12}}$"
    # "回答正确得1分" is a rule, "该回答正确得1分" and "回答正确,得1分" are verdicts.
    rf"|{_CLAUSE}(?:如下|完全|部分|基本|全部|都|回答|作答|答案|内容|若|凡|结果)*{_RIGHT_OR_WRONG}"
    r"(?:者|时|的话|的|则|就|即|回答|答案|应该?|会|可以?|能|都)*$"
    rf"|{_CLAUSE}(?:而|但|对于?)*(?:任何|任意|凡|所有|一切|每一?[个份篇道次]|各[个种类]|其[他它]|别的)"
    r"[^,]{0,30}$"
    r"|(?:通常|往往|类似的|一般(?:来说|来讲|而言|情况|会|都|可)|正常情况|理论上|以往|曾经)[^。]{0,60}$"
    r"|(?:标准|规则|细则|rubric|criteria|guidelines?)\s*(?:如下|是|为|is|are)?\s*:.*$"
    rf"|{_CLAUSE}(?:(?:but|and|that|because|since|while|so|as|although)\s+)?"
    rf"(?:(?:any|every|each)\b[^,]{{0,60}}$"
    rf"|(?:an?|all|no|some|most|other|only)\b[^,]{{0,40}}\b{_ENGLISH_ANSWER}s?\b[^,]{{0,50}}$"
    rf"|(?:(?!the\b|this\b|its?\b|model|assistant)\w+\s){{0,2}}"
    r"(?:answers|responses|essays|summaries|translations)\b[^,]{0,50}$)"
    r"|\b(?:generally|usually|typically|normally|in general|in principle|ideally)\b.{0,80}$",
    re.IGNORECASE,
)
_TOWARDS = re.compile(
    r"(?:要想|想要|若想|为了|欲)[^,]{0,16}$"
    r"|(?:才|方)(?:能够?|可以?|会|应该?|算|有资格)?$"
    r"|(?:就|便|即)(?:能够?|可以?|会|应该?)$|则$"
    rf"|\bto\s+(?:be\s+)?{_GETS}\b.{{0,40}}$"
    rf"|(?<!\bI\s)\b{_MAY}\s+(?:\w+\s+)?{_GETS}\b.{{0,30}}$",
    re.IGNORECASE,
)
# Outside of "得分：", a number is a verdict where its clause names the answer at hand or nothing.
_LABEL = re.compile(r"[:=|—<>\"\[{]")
_OWN = re.compile(
    r"(?:该|这|此|本)(?![个道]?[题问]|规则|标准|项)|模型|助手|AI|机器人|系统|我|它|他|她|你|其(?![他它])",
    re.IGNORECASE,
)
_ANOTHER = re.compile(
    r"上一|前一|另一|其他|其它|别的|原来|原先|规定|的话|(?:^|[,:])\s*如(?![下上此何实题])|"
    r"(?:^|[,:])[^,:是]*的,\s*\w{0,3}$|(?:^|[,:])\s*对于?(?![于]?(?:该|这|此|本|模型))[^,]*,\s*\w{0,4}$"
)
_NOTHING = re.compile(
    r"(?:因此|因而|所以|故此?|综上(?:所述)?|综合(?:考虑|来看|评定)?|总体(?:来看|而言|上)?|总的来说|整体|最[终后]|"
    r"结论|结果|于是|可以?|应该?|应当|能|只能?|仅能?|也|就|总?共|暂|大?约|大概|勉强|的|评分|成绩|和|并|且|而|但|"
    rf"基本|直接|总|{_ANSWER}|[\s*_#>'\-“”【】.…])*"
)
_ANOTHERS_ENGLISH = re.compile(
    r"\b(?:reference|human|expert|sample|expected|correct|right|perfect|ideal|another|other|previous)"
    rf"\s+{_ENGLISH_ANSWER}(?:s|'s)?\s+(?:\w+\s+){{0,1}}$"
    r"|\b(?:you|rubrics?|guidelines?|criteria)\s+(?:\w+\s+){0,2}$",
    re.IGNORECASE,
)
_IMPERATIVE = re.compile(r"\s*(?:please\s+)?(?:give|assign|award)\s", re.IGNORECASE)
_WILL_GET = re.compile(
    r"(?:要|想|欲|为|争取|希望|需|须|会)(?:再|能够?)?(?:得到|获得|取得|拿到|得|获|拿)(?!分)"
    rf"|(?<!\bI\s)\b(?:{_MAY}|to)\s+{_GETS}\b",
    re.IGNORECASE,
)
_OF_WHOLE = re.compile(
    r"(?:满分|总分)?\s{0,4}(?:为|是)?\s{0,4}(?P<whole>\d{1,9}(?:\.\d{1,20})?)\s*分\s*之?[中里内](?:的|,)?\s*"
    r"(?:得到|获得|得|拿到|拿|给)?\s*(?P<part>\d{1,9}(?:\.\d{1,20})?)\s*分?"
)


def without_thoughts(reply: str) -> str:
    """Return a reply without what stands in `<think>` and the like, which is no verdict."""
    kept: list[str] = []
    position, is_thinking = 0, False
    for tag in _TAG.finditer(reply):
        if not tag["closing"]:
            if not is_thinking:
                kept.append(reply[position : tag.start()])
            is_thinking = True
            continue
        if not is_thinking:
            # Chat templates put the opening tag into the prompt: the reply closes it alone.
            kept = []
        position, is_thinking = tag.end(), False
    return "\n".join(kept if is_thinking else [*kept, reply[position:]])


def with_shares(text: str) -> str:
    """Return a text with "1 分中的 0.3 分" as the share 0.3/1."""
    return _OF_WHOLE.sub(lambda match: f" {match['part']}/{match['whole']} 分", text)


def is_general(text: str, start: int, number_start: int) -> bool:
    """Return whether a number is said of a kind of answer, a purpose or a possibility.

    Args:
        text: a normalized reply.
        start: where the word for score begins that names the number.
        number_start: where the number itself does.

    """
    begin = max(0, start - _LONGEST_SENTENCE)
    ends = [match.end() for match in _SENTENCE_END.finditer(text, begin, start)]
    first = ends[-1] if ends else begin
    sentence = text[first:start].rstrip(" ")
    if _GENERAL.search(sentence) or _TOWARDS.search(sentence):
        return True
    if _WILL_GET.search(text, max(first, start - 12), number_start):
        return True
    return _is_anothers(text[first:start], text[start:number_start])


def _is_anothers(before: str, keyword: str) -> bool:
    """Return whether a score, by its clause, is that of something other than the answer at hand."""
    if _ANOTHER.search(before):
        return True
    if keyword[0].isascii():
        is_order = not before.strip() and _IMPERATIVE.match(keyword) is not None
        return is_order or _ANOTHERS_ENGLISH.search(before) is not None
    if _LABEL.search(keyword):
        return False
    clause = re.split(r"[,:(]", before)[-1]
    return not (_OWN.search(clause) or _NOTHING.fullmatch(clause))
