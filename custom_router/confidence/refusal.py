"""Whether an answer opens by declining its request, in nine languages."""

from __future__ import annotations

import re

from custom_router.request import head_and_tail

_PROMPT_READ = 6_000
"""Characters of the prompt, head and tail, in which a request for somebody else's words is looked for."""

_AI = r"(?:an? )?(?:responsible |ethical |helpful |respectful |large )*(?:ai\b|artificial intelligence|language model)"
_ABLE = (
    r"(?:can'?t|can ?not|am not able to|'m not able to|am unable to|'m unable to|won'?t be able to|will not|won'?t"
    r"|must decline to|have to decline to|(?:am|'m) not comfortable|do(?:n't| not) feel comfortable)"
)
_DO = (
    r"(?:help|assist|fulfil|comply|provid|answer|creat|writ|generat|produce|complete|satisfy|engage|participate|discuss"
    r"|support|share|offer|give|continue|process|do that|do this|access|browse|respond|suggest|promote|endorse|condone"
    r"|view|open|see|tell you|perform|execute|translate|make (?:a|any|that|this))"
)
_DO_THIS = (
    r"(?:help|assist|fulfil|comply|satisfy|engage in|participate|do that|do this"
    r"|provide (?:you|any|that|this|a|information|instructions|guidance|assistance)|answer (?:this|that|your)"
    r"|create (?:or|that|this|content)|write (?:that|this|content|such)|generate (?:that|this|content|such)"
    r"|discuss (?:this|that))"
)
_SORRY = (
    r"(?:(?:i'm |i am )?(?:very |really |so |truly )?sorry|(?:my )?apologies|i apologi[sz]e|unfortunately|regrettably)"
)
_GAP = r"[^.!?\n]{0,80}"
_REFUSALS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:{_SORRY}|as {_AI}){_GAP}?\bi ?(?:just |simply |therefore )?{_ABLE} (?:\w+ ){{0,2}}?{_DO}",
        rf"i (?:just |simply )?{_ABLE} {_DO_THIS}",
        rf"(?:es )?tut mir (?:sehr )?leid{_GAP}\bkann\b{_GAP}\bnicht\b",
        rf"als (?:eine? )?(?:ki\b|künstliche intelligenz|sprachmodell){_GAP}\bkann ich\b{_GAP}\b(?:nicht|keine?n?)\b",
        r"ich kann (?:dir|ihnen|euch) (?:dabei|damit|hierbei) (?:leider )?nicht helfen",
        r"(?:je suis (?:vraiment )?(?:désolée?|navrée?)|désolée?|en tant qu'(?:ia|intelligence artificielle)"
        rf"|en tant que (?:grand )?modèle){_GAP}\bje ne (?:peux|puis|suis pas en mesure)\b",
        r"(?:lo siento|como (?:una? )?(?:ia|inteligencia artificial|modelo de lenguaje))"
        rf"{_GAP}\bno (?:puedo|me es posible)\b",
        r"(?:desculpe|sinto muito|lamento|como (?:uma? )?(?:ia|inteligência artificial|modelo de linguagem))"
        rf"{_GAP}\bnão (?:posso|consigo)\b",
        r"(?:mi dispiace|(?:in quanto|come) (?:ia|intelligenza artificiale|modello linguistico))"
        rf"{_GAP}\bnon (?:posso|sono in grado)\b",
        r"(?:(?:非常|很)?(?:抱歉|遗憾|遺憾)|对不起|對不起|作为(?:一[个名款])?(?:AI|人工智能|大?语言模型))"
        r"[^。!！?？\n]{0,30}我?(?:无法|無法|不能|没有办法)",
        r"我(?:无法|無法|不能)(?:提供|协助|協助|帮助|回答|满足|完成|生成)",
        r"(?:大変)?(?:申し訳(?:ありません|ございません|ないです)|すみません|AIとして)[^\n]{0,60}"
        r"(?:できません|できかねます|お答えできない|いたしかねます)",
        r"(?:извините|простите|прошу прощения|мне жаль|к сожалению|сожалею|как (?:ии\b|искусственный интеллект"
        rf"|языковая модель)){_GAP}\bя не (?:могу|в состоянии|имею возможности)",
    )
)
_OPENING = 240
"""Characters of the answer that are looked at. A refusal further on has something before it worth keeping."""
# Letters and lines that somebody asked for may refuse in their own voice; only talk of the request itself is then ours.
_DRAFTING = re.compile(
    r"e-?mail|letter|messag|\breply\b|\brepl(?:ies|ying)|respon[ds]|declin|reject|refus|apolog|\bsorry\b|translat|rewrite"
    r"|rephrase|paraphras|role-?play|act as|pretend|dialog|script\b|story|poem|lyric|quote|repeat|correct (?:the|this)"
    r"|proofread|summar|continue|antwort|brief\b|nachricht|übersetz|lettre|réponse|tradui|carta|correo|respuesta|traduc"
    r"|traduz|resposta|lettera|rispost|письм|ответ|перевед|邮件|信|翻译|翻譯|回复|拒|メール|手紙|翻訳|返信|断",
    re.IGNORECASE,
)
_OWN_VOICE = re.compile(
    r"as an? (?:\w+ ){0,3}(?:ai\b|language model|artificial)|your (?:request|prompt|question|inquiry)"
    r"|(?:this|that) (?:request|prompt)|(?:assist|help)(?: you)? with (?:that|this)\b|just an? (?:\w+ )?ai\b"
    r"|guidelines|ethical|illegal|harmful|policy|policies|sprachmodell|modèle de langage|modelo de l"
    r"|modello linguistico|语言模型|人工智能|AIとして|языковая модель",
    re.IGNORECASE,
)


def refuses(text: str, prompt: str) -> bool:
    """Whether `text` opens with the assistant's own refusal of `prompt`, not one that was asked for or quoted."""
    opening = text[:_OPENING].replace("’", "'")
    if not any(pattern.match(opening) for pattern in _REFUSALS):
        return False
    return not _DRAFTING.search(head_and_tail(prompt, _PROMPT_READ)) or _OWN_VOICE.search(opening) is not None
