"""Judge replies as they are written: the right score or none, never a wrong number."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tunegrid.evaluation.judges import parsing
from tunegrid.evaluation.judges.parsing import parse

# None: no score may be read. The first 17 are forms of published replies of this rubric.
FORMS = [
    ("得分: 0分", 0),
    ("模型的答案和标准答案一致，得分: 1分。", 1),
    ("…因此，模型答案得分为 0 分。", 0),
    ("所以，模型答案得1分。", 1),
    ("因此，我给出4分的分数。", None),
    ("…因此可以给出2分的分数。", None),
    ("分数：3分。…", None),
    ("分数：0分\n模型没有回答", 0),
    ("得分: 0.5分", 0.5),
    ("…可以给出3.5分的分数。…", None),
    ("可以给模型5分的高分。", None),
    ("得分: 0.8分。回答包含了…", 0.8),
    ("得分:1分。模型回答…", 1),
    ("", None),
    ("得分：０．８分", 0.8),
    ("得分：８/１０", 0.8),
    ("得分：4/5", 0.8),
    ("得分：85%", 0.85),
    ("评分：1.0", 1),
    ("得分0.7", 0.7),
    ("得分是0.6分", 0.6),
    ("满分为1分，模型得0.6分", 0.6),
    ("得分范围为0-1分，我给这个回答0.7分", 0.7),
    ("分数在0到1之间，得分：0.9", 0.9),
    ("得分：0.8-0.9", None),
    ("得分：0.8或0.9", None),
    ("得分：0,8", None),
    ("得分：-0.5", None),
    ("得分：1.2", None),
    ("得分：0.", None),
    ("得分：10分", None),
    ("得分：8分（满分10分）", None),
    ("10分制下得分：0.8", None),
    ("Score: 0.8", 0.8),
    ("The score is 0.75.", 0.75),
    ("I would give this answer a score of 0.9 because it is right.", 0.9),
    ("Rating: 8 out of 10", 0.8),
    ("如果补充例子可得1分", None),
    ("不能得1分", None),
    ("是否得1分？", None),
    ("满分1分", None),
    ("准确性得分：0.8，流畅性得分：0.6", None),
    ("准确性得分：0.8，流畅性得分：0.6。最终得分：0.7", 0.7),
    ("得分：0.8\n得分：0.6", None),
    ("得分：0.8\n得分：0.8分", 0.8),
    ("得分理由：1. 回答正确 2. 语言流畅", None),
    ("得分点1：正确", None),
    ("得分：\n1. 回答正确\n2. 流畅", None),
    ("**得分：** 0.8", 0.8),
    ("**得分**：0.8分", 0.8),
    ("【得分】0.8", 0.8),
    ("得分：“0.8”", 0.8),
    ('{"score": 0.8, "reason": "对"}', 0.8),
    ('{"得分": "0.8"}', 0.8),
    ("0.8", 0.8),
    ("0.8分", 0.8),
    ("0.8\n回答比较完整", 0.8),
    ("1分。回答正确", 1),
    ("1", 1),
    ("3", None),
    ("0.8/1", 0.8),
    ("80%", 0.8),
    ("我不知道怎么评分", None),
    ("作为AI语言模型，我无法评分。", None),
    ("评分标准：1分为完全正确", None),
    ("扣0.2分", None),
    ("扣0.2分，得分：0.8分", 0.8),
    ("总分1分，扣0.5分", None),
    ("得分：1 - 0.2 = 0.8", None),
    ("得分：零分", 0),
    ("得一分", 1),
    ("得分：零点八分", 0.8),
    ("得分：满分", 1),
    ("没有得到1分", None),
    ("标准答案得1分，模型答案得0.5分", 0.5),
    ("得分为0.8左右", 0.8),
    ("得分不超过0.5", None),
    ("得分低于0.5分", None),
    ("得分在0.5以上", None),
    ("综上，得分：0.5分。", 0.5),
    ("因此，0.8分。", 0.8),
    ("最终得分：\\boxed{0.8}", 0.8),
    ("[[0.7]]", 0.7),
    ("得分：0.8.5", None),
    ("得分：1e-1", None),
    ("得分：.8", 0.8),
    ("得分: 1.", None),
    ("<score>0.8</score>", 0.8),
    ("理由：回答正确。\n得分:1", 1),
    ("打分：0.9", 0.9),
    ("我给0.9分", 0.9),
    ("可以打0.9分", 0.9),
    ("得分：0.5分。如果补充例子可得1分。", 0.5),
    ("Score: 4/5", 0.8),
    ("得分:0.8分（满分1分）", 0.8),
    ("分數：0.8", 0.8),
    ("回答有3个要点，共5个。", None),
    ("1. 回答正确\n2. 流畅", None),
    ("得分——0.8", 0.8),
    ("得分=0.8", 0.8),
    ("给出0.8的得分", None),
    ("得分：八分", None),
    ("我认为这个回答值0.8分", 0.8),
    ("得分：0.8，因为模型在3个方面中的2个正确", 0.8),
    ("得分：1分。理由：模型回答的1+1=2是正确的", 1),
    ("得分：100", None),
    ("得分：100%", 1),
    ("得分：0.8 / 1.0 分", 0.8),
    ("模型A得分0.5，模型B得分0.8", None),
    ("得分高于0.5", None),
    ("得分：0到1", None),
    ("答案是0.8", None),
    ("得分:None", None),
    ("得分约为0.8", 0.8),
    ("第1题得分0.5", None),
    ("0.5分，因为回答不完整", 0.5),
    ("Score: 1 (out of 1)", 1),
    ("Score: 8 (out of 10)", None),
    ("得分：1分制", None),
    ("本题0.8分满分，得0.4分", None),
    ("得分：1/0", None),
    ("得分：½", 0.5),
    ("得分：0.8分以上", None),
    ("得分：0.6~0.8", None),
    ("得分：0.5+0.3", None),
    ("最终得分不是1分", None),
    ("得分：1，但是应该扣0.5", None),
    ("不及格，得分：0.2", 0.2),
    ("该回答不正确，得0分", 0),
    ("该回答不正确得0分", 0),
    ("The answer deserves 0.5 points", 0.5),
    ("得分：0. 5", None),
    ("得分：0.5得", 0.5),
    ("如果模型补充例子，可以得1分。", None),
    ("得分：0.8分，不过最终得分应调整为0.6分", None),
    ("得分（满分1分）：0.8", 0.8),
    ("得分（0-1）：0.8", 0.8),
    ("得分：1星", None),
    ("得分1：0.8", None),
    ("得分：0.5分。回答得十分好", 0.5),
    ("得分：八十分", None),
    ("得分：0.8/10", None),
    ("初步得分：0.8。最终得分：0.6", 0.6),
    ("得分：0.8 → 0.6", None),
    ("| 得分 | 0.8 |", 0.8),
    ("模型没有给出步骤，但最终结果正确，得1分", 1),
    ("不得1分", None),
    ("得分为1的回答应该完整", None),
    ("得分: 1/2", 0.5),
    ("得分：正确", None),
    ("得分:0.8分。满分1分，扣0.2分是因为不完整", 0.8),
    ("score: 0.8 is too high", None),
    ("我给这个回答打8.5分", None),
    ("得分：1分（满分5分）", None),
    ("得分:0.9.", 0.9),
    ("分数 = 0.9", 0.9),
    ("评分结果：0.8", None),
    ("得分：0.80", 0.8),
    ("得分：00.8", 0.8),
    ("得分：+0.8", None),
    ("得分：0.8 分", 0.8),
    ("模型回答：'得分：1分'。", None),
    ("得分：约0.8分", 0.8),
    ("The score is 1 if correct, otherwise 0", None),
    ("Score:1", 1),
    ("Score is 0.5/1.0.", 0.5),
    ("根据标准，答对得1分，答错得0分。", None),
    ("答对得1分", None),
    # The first two are the rule, the last is said of the answer.
    ("正确得1分，错误得0分，模型答错了，得0分", 0),
    ("得分：一", None),
]


def test_there_are_many_different_forms() -> None:
    assert len({text for text, _ in FORMS}) == len(FORMS) >= 60


@pytest.mark.parametrize(("reply", "score"), FORMS)
def test_a_reply_gives_the_right_score_or_none(reply: str, score: float | None) -> None:
    found = parse(reply)
    assert found.score == (None if score is None else pytest.approx(score))
    assert (found.reason == "") == (score is not None)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (" \n", parsing.EMPTY),
        ("不知道", parsing.NO_SCORE),
        ("得分：0.8\n得分：0.6", parsing.SEVERAL),
        ("分数：3分。", parsing.OUT_OF_RANGE),
        ("得分：8分（满分10分）", parsing.OTHER_SCALE),
        ("得分：0.", parsing.CUT_OFF),
        ("得分：0.8-0.9", parsing.NOT_PLAIN),
        ("如果补充例子可得1分", parsing.IN_DOUBT),
        ("完全正确的回答得1分。该模型的回答是错误的。", parsing.GENERAL),
        ("<think>得分：0.9", parsing.ONLY_THOUGHTS),
        ("得分：0。8", parsing.NOT_PLAIN),
    ],
)
def test_the_reason_says_why_there_is_none(reply: str, reason: str) -> None:
    assert parse(reply) == parsing.Parsed(None, reason)


WRITTEN = {
    name: [
        json.loads(line)
        for line in (Path(__file__).parent / f"replies_{name}.jsonl")
        .read_text("utf-8")
        .splitlines()
    ]
    for name in ("seen", "held_out")
}
"""Replies with the score a careful reader takes from them, null for none; those held out were not
looked at while the rules were written."""


@pytest.mark.parametrize("name", WRITTEN)
def test_no_written_reply_gives_a_wrong_number_and_few_give_none(name: str) -> None:
    replies = WRITTEN[name]
    assert len({one["reply"] for one in replies}) == len(replies) >= 60
    readable = [one for one in replies if one["score"] is not None]
    assert 20 <= len(readable) <= len(replies) - 20
    found = {one["reply"]: parse(one["reply"]).score for one in replies}
    wrong = [
        (one["reply"], found[one["reply"]])
        for one in replies
        if found[one["reply"]] not in (None, one["score"])
    ]
    assert wrong == []
    unparsed = [one["reply"] for one in readable if found[one["reply"]] is None]
    assert len(unparsed) <= 0.08 * len(readable), unparsed


def test_any_text_is_read_without_an_error_and_in_range() -> None:
    """Random text of the alphabet that the expressions look for, and long runs of it."""
    draw = random.Random(0)  # noqa: S311
    pieces = [
        *"0189.．:：-/%分为得给满打 \n“”()（）",
        "得分",
        "分数",
        "最终",
        "如果",
        "score",
        "<think>",
    ]
    pieces += ["</think>", "的回答", "一个", "to get", "answers", "1分中"]
    for _ in range(3000):
        text = "".join(draw.choices(pieces, k=draw.randrange(1, 30)))
        found = parse(text)
        assert found.score is None or 0 <= found.score <= 1
    for piece in pieces:
        parse(piece * 3000)
