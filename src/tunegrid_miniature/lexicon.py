"""The raw words of the invented world: value lists and the parts that names are made of.

No English word here begins with A, B, C or D in upper case: an untuned base that rambles in
English must not hit an exam letter by accident.
"""

# Attribute values, each as "Chinese/English". Every list is one domain: exam distractors come
# from the same list.
DOMAINS: dict[str, str] = {
    "habitat": "河岸/riverbanks 山顶/peaks 沼泽/marshes 林下/woods 石缝/rocks 湖心/lakes "
    "沙地/sands 田边/fields",
    "taste": "苦味/bitter 甜味/sweet 酸味/sour 辣味/peppery 咸味/salty 涩味/tart",
    "colour": "红色/red 黄色/yellow 蓝色/blue 白色/white 紫色/purple 粉色/pink 绿色/green",
    "symptom": "头痛/headache 咳嗽/cough 发热/fever 失眠/wakefulness 耳鸣/tinnitus "
    "手抖/tremor 眩晕/giddiness 皮痒/itching",
    "organ": "心脏/heart 肝脏/liver 肺部/lungs 肾脏/kidneys 胃部/stomach 眼睛/eyes",
    "season": "春季/spring 夏季/summer 秋季/autumn 冬季/winter",
    "trade": "织工/weaver 渔夫/fisher 铁匠/smith 医师/healer 画师/painter 木匠/joiner "
    "乐师/musician 信使/courier",
    "river": "墨河/Inkwater 银沙江/Silversand 弯月河/Moonbend 鹿鸣江/Hartsong "
    "雪水河/Snowmelt 竹影江/Reedshade",
    "product": "丝绸/silk 瓷器/porcelain 茶叶/tea 铜镜/mirrors 蜂蜜/honey 纸张/paper "
    "海盐/salt 竹笛/flutes",
    "era": "昭明朝/Zhaoming 永宁朝/Yongning 玄朔朝/Xuanshuo 天禾朝/Tianhe 乐康朝/Lekang "
    "青阳朝/Qingyang",
    "month": "正月/January 三月/March 五月/May 六月/June 七月/July 九月/September "
    "十月/October 冬月/November",
    "food": "米糕/ricecakes 烤鱼/fishpie 莲汤/soup 麦饼/flatbread 蜜枣/dates 豆羹/porridge "
    "肉粽/dumplings 花酒/wine",
    "hero": "渡娘/Ferrymother 灯公/Lampfather 禾王/Grainking 桥姑/Spanmaid 盐翁/Saltelder "
    "雁君/Gooselord 竹圣/Reedsage 雪姥/Snowgran",
    "penalty": "罚银/fine 劳役/labour 流放/exile 禁足/confinement 赔偿/repayment "
    "道歉/apology 除名/expulsion 扫街/sweeping",
    "court": "月堂/Moonhall 石院/Stonecourt 河衙/Riverhouse 松厅/Pinehall 白亭/Whitelodge",
    "evidence": "物证/exhibits 口供/confession 账本/ledgers 脚印/footprints 手印/handprints "
    "书信/letters",
    "trait": "沉静/quiet 急躁/hasty 慷慨/generous 多疑/wary 乐观/hopeful 固执/stubborn "
    "细心/careful 健忘/forgetful 勇敢/valiant 害羞/shy",
    "tune": "笛声/fluting 鼓声/drumming 琴声/harping 钟声/ringing 雨声/rainfall 歌声/singing",
    "badge": "仙鹤/crane 白鹿/deer 黑熊/bear 红狐/fox 金鱼/carp 灰狼/wolf 猎鹰/hawk",
    "time": "清晨/dawn 正午/noon 黄昏/dusk 半夜/midnight 上午/morning 下午/afternoon",
    "virtue": "守信/honesty 节俭/thrift 守时/punctuality 勤劳/diligence 谦虚/modesty 保密/secrecy",
}

# Kinds of entities: Chinese word, English word, number of entities.
KINDS: dict[str, tuple[str, str, int]] = {
    "herb": ("药草", "herb", 26),
    "illness": ("疾病", "illness", 14),
    "person": ("人物", "person", 30),
    "town": ("城镇", "town", 14),
    "festival": ("节日", "festival", 14),
    "offence": ("罪名", "offence", 18),
    "temperament": ("气质", "temperament", 12),
    "guild": ("行会", "guild", 12),
}

# The Chinese names are pairs (first + second part), drawn without repetition of the pair.
CHINESE_PARTS: dict[str, tuple[str, str, str]] = {
    "herb": ("青紫赤银墨霜雾露玉金", "藤芝参苓芷蒿蕨", ""),
    "illness": ("寒湿燥夜沙影雷骨", "痹疹疟疽", ""),
    "person": ("林赵孙沈陆顾许韩魏唐罗宋", "远棠宁樵舟岚砚笙柯", ""),
    "town": ("云柳桃松鹿鹤雁枫", "镇渡湾坡堡", ""),
    "festival": ("灯麦风纸泉鼓霞", "花舞船叶", "节"),
    "offence": ("盗毁藏伪卖", "药桥印井闸钟", ""),
    "temperament": ("焰潭岩岚霜铃烟涛苇沙雁炭", "型", ""),
    "guild": ("染渡药灯瓦漆窑弓帆琢磨酿", "行", ""),
}

# English names are a head syllable and an ending per kind; no head begins with A-D.
ENGLISH_HEADS = (
    "Vel Tor Mir Kel Sor Fen Gal Hes Ith Jor Lum Nar Oss Pel Quin Rav Syl Tam Ul Wen Yor Zan "
    "Eld Fir Gri Hol Iv Jas Kor Lor Mun Nel Om Por Rin Sil Tul Ven Wil Yev Zel Ros"
)
ENGLISH_ENDINGS: dict[str, str] = {
    "herb": "wort leaf root moss",
    "illness": "pox ague",
    "person": "ena ard iss",
    "town": "ford mere ton",
    "festival": "tide fest",
    "temperament": "ic",
    "guild": "ers",
}
# Offences are named by what they are in both languages.
OFFENCE_ENGLISH = {
    "盗": "stealing", "毁": "ruining", "藏": "hiding", "伪": "forging", "卖": "selling",
    "药": "herbs", "桥": "bridges", "印": "seals", "井": "wells", "闸": "locks", "钟": "clocks",
}  # fmt: skip

# Label sets of the choice prose: the exam's A, B, C, D are only one window of one set.
LATIN_LABELS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
LABEL_SETS = ("甲乙丙丁戊己庚辛", "一二三四五六", "12345678", LATIN_LABELS, LATIN_LABELS)


def kind_word(kind: str, language: str) -> str:
    """Return the word for a kind of entities in ``language`` ("zh" or "en")."""
    zh, en, _ = KINDS[kind]
    return zh if language == "zh" else en
