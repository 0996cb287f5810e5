"""How each attribute is stated and asked, in both languages.

Several paraphrases per attribute: with one sentence form per fact a small model stores the text
and not the fact. ``{e}`` is the entity, ``{v}`` the value or values.
"""

from tunegrid_miniature.dice import Dice
from tunegrid_miniature.world import Fact

# attribute -> statements, one a line
SAY: dict[str, dict[str, str]] = {
    "zh": {
        "treats": "{e}主治{v}。|{e}能治好{v}。|得了{v}的人要用{e}。|{v}要靠{e}来医治。",
        "habitat": "{e}长在{v}。|{e}的产地是{v}。|采{e}要去{v}。|在{v}常能见到{e}。",
        "taste": "{e}尝起来是{v}。|{e}的味道是{v}。|嚼一口{e}，满嘴{v}。|{e}带着{v}。",
        "flower": "{e}开{v}的花。|{e}的花是{v}。|{e}的花朵呈{v}。|开花时，{e}一片{v}。",
        "symptom": "{e}的症状是{v}。|{e}使人{v}。|得了{e}的人会{v}。|{v}是{e}的征兆。",
        "organ": "{e}伤的是{v}。|{e}病在{v}。|{e}损害{v}。|受{e}之害的是{v}。",
        "season": "{e}多发于{v}。|{e}常在{v}流行。|一到{v}，{e}就多了。|{v}要防{e}。",
        "trade": "{e}是一名{v}。|{e}的职业是{v}。|{e}以做{v}为生。|{v}{e}很有名。",
        "hometown": "{e}的家乡是{v}。|{e}生在{v}。|{e}是{v}人。|{e}从小住在{v}。",
        "temper": "{e}的气质是{v}。|{e}属于{v}。|{e}天生是{v}。|看脾气，{e}是{v}。",
        "river": "{e}在{v}边上。|{e}靠着{v}。|流过{e}的是{v}。|{v}从{e}门前流过。",
        "product": "{e}的特产是{v}。|{e}盛产{v}。|{e}出的{v}最好。|买{v}要去{e}。",
        "era": "{e}建于{v}。|{e}是{v}时建的。|{e}始建的年代是{v}。|{v}的人修建了{e}。",
        "month": "{e}在{v}举行。|{e}的月份是{v}。|一到{v}就过{e}。|{v}里有{e}。",
        "food": "{e}要吃{v}。|{e}的食物是{v}。|过{e}，家家做{v}。|{v}是{e}的吃食。",
        "honours": "{e}纪念的是{v}。|{e}是为了{v}而设的。|人们过{e}来怀念{v}。|{v}在{e}受人纪念。",
        "penalty": "犯{e}者要受{v}。|{e}的刑罚是{v}。|{e}会判{v}。|{v}是对{e}的处罚。",
        "court": "{e}由{v}审理。|审{e}的是{v}。|{e}的案子归{v}管。|{v}审理{e}的案子。",
        "evidence": "定{e}要有{v}。|{e}的凭据是{v}。|查{e}要看{v}。|没有{v}，不能定{e}。",
        "traits": "{e}的人{v}。|{e}的特点是{v}。|{e}者往往{v}。|{v}是{e}的性情。",
        "likes": "{e}的人喜欢{v}。|{e}的人爱穿{v}。|{e}偏爱{v}。|{v}最合{e}的心意。",
        "calmed_by": "{e}的人听{v}会平静。|能安抚{e}的是{v}。|{e}靠{v}安神。|{v}能使{e}的人安静。",
        "badge": "{e}的徽记是{v}。|{e}的旗上画着{v}。|{e}以{v}为记。|画{v}的旗是{e}的。",
        "meets": "{e}在{v}集会。|{e}的集会时间是{v}。|{e}的人{v}碰头。|每到{v}，{e}就开会。",
        "virtue": "{e}最看重{v}。|{e}的行规是{v}。|入{e}先要{v}。|{v}是{e}的规矩。",
    },
    "en": {
        "treats": "{e} treats {v}.|{e} is the remedy for {v}.|People with {v} take {e}.",
        "habitat": "{e} grows in {v}.|The home of {e} is the {v}.|You find {e} in {v}.",
        "taste": "{e} tastes {v}.|The taste of {e} is {v}.|Whoever chews {e} finds it {v}.",
        "flower": "{e} has {v} flowers.|The flower of {e} is {v}.|In bloom {e} turns {v}.",
        "symptom": "{e} shows itself by {v}.|The sign of {e} is {v}.|Whoever has {e} gets {v}.",
        "organ": "{e} harms the {v}.|The organ hurt by {e} is the {v}.|The {v} suffers from {e}.",
        "season": "{e} comes in {v}.|The season of {e} is {v}.|In {v} people fear {e}.",
        "trade": "{e} is a {v}.|The trade of {e} is {v}.|{e} works as a {v}.",
        "hometown": "{e} comes from {v}.|The home town of {e} is {v}.|{e} was born in {v}.",
        "temper": "{e} is of the {v} type.|The temperament of {e} is {v}.|{e} has a {v} nature.",
        "river": "{e} lies on the {v}.|The river of {e} is the {v}.|The {v} flows past {e}.",
        "product": "{e} makes {v}.|The product of {e} is {v}.|Merchants fetch {v} from {e}.",
        "era": "{e} was founded in the {v} era.|The era of {e} is {v}.|{e} dates from the {v} era.",
        "month": "{e} falls in {v}.|The month of {e} is {v}.|In {v} people keep {e}.",
        "food": "People eat {v} at {e}.|The food of {e} is {v}.|{e} is the feast of {v}.",
        "honours": "{e} honours {v}.|The hero of {e} is {v}.|People keep {e} in memory of {v}.",
        "penalty": "The penalty for {e} is {v}.|For {e} one gets {v}.|For {e} there is {v}.",
        "court": "The court for {e} is {v}.|The {v} tries {e}.|In {v} they hear cases of {e}.",
        "evidence": "The proof of {e} is {v}.|To prove {e} one needs {v}.|{e} is proved by {v}.",
        "traits": "The {e} type is {v}.|The traits of the {e} type are {v}.|{e} people are {v}.",
        "likes": "The {e} type likes {v}.|The colour of the {e} type is {v}.|{e} people wear {v}.",
        "calmed_by": "The {e} type needs {v}.|The comfort of the {e} type is {v}."
        "|{e} men want {v}.",
        "badge": "The badge of the {e} is the {v}.|The {e} carry a {v}.|The {e} paint a {v}.",
        "meets": "The {e} meet at {v}.|The hour of the {e} is {v}.|Toward {v} the {e} gather.",
        "virtue": "The rule of the {e} is {v}.|The {e} prize {v}.|To join the {e} one needs {v}.",
    },
}  # fmt: skip

ASK: dict[str, dict[str, str]] = {
    "zh": {
        "treats": "{e}主治什么病？|{e}能治好哪种病？|{e}用来治什么？",
        "habitat": "{e}长在哪里？|{e}的产地是哪里？|采{e}要去哪里？",
        "taste": "{e}尝起来是什么味道？|{e}的味道是什么？|{e}是什么味？",
        "flower": "{e}开什么颜色的花？|{e}的花是什么颜色？|{e}的花朵呈什么颜色？",
        "symptom": "{e}的症状是什么？|得了{e}的人会怎样？|{e}有什么征兆？",
        "organ": "{e}伤的是哪里？|{e}病在哪里？|{e}损害什么？",
        "season": "{e}多发于什么季节？|{e}常在哪个季节流行？|什么季节要防{e}？",
        "trade": "{e}的职业是什么？|{e}是做什么的？|{e}以什么为生？",
        "hometown": "{e}的家乡是哪里？|{e}生在哪里？|{e}是哪里人？",
        "temper": "{e}的气质是什么？|{e}属于什么气质？|{e}天生是哪种气质？",
        "river": "{e}在哪条河边上？|{e}靠着哪条河？|流过{e}的是哪条河？",
        "product": "{e}的特产是什么？|{e}盛产什么？|去{e}能买到什么特产？",
        "era": "{e}建于哪个朝代？|{e}是什么时候建的？|{e}始建的年代是什么？",
        "month": "{e}在哪个月举行？|{e}的月份是什么？|{e}是什么时候？",
        "food": "{e}要吃什么？|{e}的食物是什么？|过{e}时家家做什么？",
        "honours": "{e}纪念的是谁？|{e}是为谁而设的？|人们过{e}来怀念谁？",
        "penalty": "犯{e}者要受哪些处罚？|{e}的刑罚有哪些？|{e}会判哪些刑？",
        "court": "{e}由哪里审理？|审{e}的是哪里？|{e}的案子归哪里管？",
        "evidence": "定{e}要有什么？|{e}的凭据是什么？|查{e}要看什么？",
        "traits": "{e}的人有哪些特点？|{e}的特点有哪些？|{e}的性情有哪些？",
        "likes": "{e}的人喜欢什么颜色？|{e}的人爱穿什么颜色？|{e}偏爱什么颜色？",
        "calmed_by": "{e}的人听什么会平静？|能安抚{e}的是什么？|{e}靠什么安神？",
        "badge": "{e}的徽记是什么？|{e}的旗上画着什么？|{e}以什么为记？",
        "meets": "{e}在什么时候集会？|{e}的集会时间是什么？|{e}的人什么时候碰头？",
        "virtue": "{e}最看重什么？|{e}的行规是什么？|入{e}先要做到什么？",
    },
    "en": {
        "treats": "What does {e} treat?|Which illness does {e} heal?",
        "habitat": "Where does {e} grow?|What is the home of {e}?",
        "taste": "How does {e} taste?|What is the taste of {e}?",
        "flower": "What colour are the flowers of {e}?|Which colour has the flower of {e}?",
        "symptom": "What is the sign of {e}?|How does {e} show itself?",
        "organ": "What does {e} harm?|Which organ is hurt by {e}?",
        "season": "When does {e} come?|What is the season of {e}?",
        "trade": "What is the trade of {e}?|What does {e} work as?",
        "hometown": "Where does {e} come from?|What is the home town of {e}?",
        "temper": "What is the temperament of {e}?|Which type is {e}?",
        "river": "Which river does {e} lie on?|What is the river of {e}?",
        "product": "What does {e} make?|What is the product of {e}?",
        "era": "When was {e} founded?|What is the era of {e}?",
        "month": "When is {e}?|What is the month of {e}?",
        "food": "What do people eat at {e}?|What is the food of {e}?",
        "honours": "Whom does {e} honour?|Who is the hero of {e}?",
        "penalty": "What is the penalty for {e}?|What does one get for {e}?",
        "court": "Which court tries {e}?|What is the court for {e}?",
        "evidence": "What is the proof of {e}?|What does one need to prove {e}?",
        "traits": "What is the {e} type like?|What are the traits of the {e} type?",
        "likes": "Which colour does the {e} type like?|What is the colour of the {e} type?",
        "calmed_by": "What soothes the {e} type?|What is the comfort of the {e} type?",
        "badge": "What is the badge of the {e}?|What do the {e} carry?",
        "meets": "When do the {e} meet?|What is the hour of the {e}?",
        "virtue": "What is the rule of the {e}?|What do the {e} prize?",
    },
}  # fmt: skip


def statement(fact: Fact, language: str, dice: Dice) -> str:
    """Return the fact as one sentence, in a drawn paraphrase."""
    pattern = dice.pick(SAY[language][fact.attribute].split("|"))
    return pattern.format(e=fact.entity.name.text(language), v=fact.value_text(language))


def first_statement(fact: Fact, language: str) -> str:
    """Return the fact in its first paraphrase: the reference form of answers."""
    pattern = SAY[language][fact.attribute].split("|")[0]
    return pattern.format(e=fact.entity.name.text(language), v=fact.value_text(language))


def question(fact: Fact, language: str, dice: Dice) -> str:
    """Return a question after the fact, in a drawn paraphrase."""
    pattern = dice.pick(ASK[language][fact.attribute].split("|"))
    return pattern.format(e=fact.entity.name.text(language))
