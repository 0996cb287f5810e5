"""Judge prompts in the form of Belle-eval's ``eval_prompt.json``: one for each class.

The keys carry the real file's spellings, which differ from those of the items ("open QA").
"""

_WITH_REFERENCE = (
    "请你担任评分人。下面有一个{}问题、标准回答和模型回答，请对照标准回答判断模型回答{}，"
    "在0到1之间打分，满分为1分。问题："
)
_WITHOUT_REFERENCE = (
    "请你担任评分人。下面有一个{}问题和模型回答，没有标准回答，请判断模型回答{}，"
    "在0到1之间打分，满分为1分。问题："
)

JUDGE_PROMPTS: dict[str, str] = {
    "open QA": _WITH_REFERENCE.format("开放问答", "说的事实是否相同"),
    "closed\u00a0QA": _WITH_REFERENCE.format("阅读问答", "是否从原文得出了同样的答案"),
    "extract": _WITH_REFERENCE.format("信息抽取", "是否找全且没有多余的内容"),
    "classification": _WITH_REFERENCE.format("分类", "是否归入同一类"),
    "math": _WITH_REFERENCE.format("算术", "结果是否正确"),
    "code": _WITH_REFERENCE.format("编程", "写出的代码作用是否相同"),
    "summarization": _WITH_REFERENCE.format("概括", "是否保留要点并且简短"),
    "translation": _WITH_REFERENCE.format("翻译", "是否忠实通顺"),
    "rewrite": _WITHOUT_REFERENCE.format("改写", "是否保持原意并达到要求"),
    "brainstorming": _WITHOUT_REFERENCE.format("列举", "是否切题、不重复、数目正确"),
    "generation": _WITHOUT_REFERENCE.format("写作", "是否切题、通顺、与所问之物相符"),
}
