from __future__ import annotations

import pytest

from custom_router.confidence.language import other_script
from custom_router.request import CallType, RequestView, Turn

ENGLISH = (
    "The capital of the country is a large city in the north, and it was founded by the people that came to the valley."
)
CHINESE = "这个国家的首都是一座位于北方的大城市，它是由来到这个山谷的人们建立的，历史非常悠久，人口众多。"
JAPANESE = (
    "この国の首都は北部にある大きな都市で、この谷にやって来た人々によって築かれました。とても長い歴史があります。"
)
RUSSIAN = "Столица этой страны находится на севере, её основали люди, которые пришли в эту долину очень давно."
ASK_CHINESE = "请问这个国家的首都是哪里，它有什么样的历史？"
ASK_ENGLISH = "What is the capital of this country, and how was it founded?"
ASK_JAPANESE = "この国の首都はどこですか。歴史についても教えてください。"
CODE = (
    "def total(items):\n    result = 0\n    for item in items:\n        result += item.price\n    return result\n" * 3
)


def other(prompt: str, answer: str, system: str = "", history: tuple[Turn, ...] = ()) -> bool:
    return other_script(RequestView(CallType.CHAT, prompt, system=system, history=history), answer)


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        (ASK_CHINESE, ENGLISH),
        (ASK_CHINESE, RUSSIAN),
        (ASK_ENGLISH, CHINESE),
        (ASK_ENGLISH, RUSSIAN),
        (ASK_JAPANESE, CHINESE),
        (ASK_JAPANESE, ENGLISH),
        ("Какой город является столицей этой страны?", ENGLISH),
    ],
)
def test_another_script_is_seen(prompt: str, answer: str) -> None:
    assert other(prompt, answer)


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        (ASK_CHINESE, CHINESE),
        (ASK_ENGLISH, ENGLISH),
        (ASK_JAPANESE, JAPANESE),
        (ASK_CHINESE + "请用英文回答。", ENGLISH),
        ("把这句话翻译一下：今天的天气非常好，我们一起去公园吧。", ENGLISH),
        ("How do you say this in Japanese: where is the station of the city?", JAPANESE),
        ("请写一个计算购物车里所有商品总价的函数，谢谢你。", CODE),
        ("请写一个计算购物车里所有商品总价的函数，谢谢你。", f"```python\n{CODE}```"),
        (ASK_CHINESE, "TCP/IP, HTTP/2, QUIC, WebSocket, Server-Sent Events, gRPC, MQTT, AMQP, Kafka, Redis Streams"),
        (ASK_CHINESE, "London"),
        ("好的", ENGLISH),
        ("Summarise: " + CHINESE, ENGLISH),
        ("priwet, rasskashi mne pro stolizu etoj strany poshalujsta", RUSSIAN),
        ("42 + 17 = ?", CHINESE),
        ("1" * 200 + "的" * 500 + "1" * 200, CHINESE),
    ],
)
def test_the_same_or_an_asked_for_script_is_not(prompt: str, answer: str) -> None:
    assert not other(prompt, answer)


def test_a_system_prompt_or_the_conversation_may_settle_the_language() -> None:
    assert not other(ASK_CHINESE, ENGLISH, system="Always answer in English.")
    assert not other("Tell me more about how it was founded, please.", CHINESE, history=(Turn("user", CHINESE),))
