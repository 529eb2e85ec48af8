"""People, firms, telephone numbers and official identifiers with right check digits; all invented."""

import numpy as np
import numpy.typing as npt
from stdnum.cn import ric, uscc

_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶程苏魏吕丁任沈姚"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英华建国文红梅志玉春海燕鹏飞龙云峰宁波晨曦浩宇欣怡子涵"
_BRANDS = [
    "三峡",
    "清江",
    "西坝",
    "宏远",
    "鑫源",
    "恒泰",
    "华强",
    "金桥",
    "瑞丰",
    "天城",
    "长信",
    "东升",
    "安顺",
    "永兴",
    "中孚",
    "汇通",
    "楚天",
    "黔峰",
    "娄山",
    "赤水河",
]
_TRADES = [
    "化工",
    "建设",
    "物业",
    "置业",
    "矿业",
    "磷化",
    "酒店管理",
    "商贸",
    "机械",
    "物流",
    "能源",
    "食品",
    "医药",
    "新材料",
    "工程",
]
_ALPHABET = np.array(list("0123456789ABCDEFGHJKLMNPQRTUWXY"))
_DIGITS = np.array(list("0123456789"))


def people(n: int, rng: np.random.Generator) -> list[str]:
    """`n` personal names of two or three characters."""
    first = rng.choice(np.array(list(_SURNAMES)), n)
    second = rng.choice(np.array(list(_GIVEN)), n)
    third = np.where(rng.random(n) < 0.7, rng.choice(np.array(list(_GIVEN)), n), "")
    return [f"{a}{b}{c}" for a, b, c in zip(first, second, third, strict=True)]


def firms(n: int, city_zh: str, rng: np.random.Generator) -> list[str]:
    """`n` company names; two firms may share a name, as in life."""
    brand, trade = rng.choice(np.array(_BRANDS), n), rng.choice(np.array(_TRADES), n)
    return [f"{city_zh}{b}{t}有限公司" for b, t in zip(brand, trade, strict=True)]


def phones(n: int, rng: np.random.Generator) -> list[str]:
    """`n` mobile numbers of 11 digits."""
    head = rng.choice(np.array(["138", "139", "150", "158", "177", "186", "189"]), n)
    tail = rng.integers(0, 10**8, n)
    return [f"{h}{t:08d}" for h, t in zip(head, tail, strict=True)]


def credit_codes(area: npt.NDArray[np.str_], rng: np.random.Generator) -> list[str]:
    """Unified social credit codes (GB 32100) registered in `area`, check digit right."""
    bodies = rng.choice(_ALPHABET, (len(area), 9))
    heads = [f"91{code}{''.join(body)}" for code, body in zip(area, bodies, strict=True)]
    return [head + uscc.calc_check_digit(head) for head in heads]


def resident_ids(area: npt.NDArray[np.str_], rng: np.random.Generator) -> list[str]:
    """Resident identity numbers (GB 11643) of people born 1965 to 2003, check digit right."""
    n = len(area)
    year, month, day = rng.integers(1965, 2004, n), rng.integers(1, 13, n), rng.integers(1, 29, n)
    order = rng.integers(1, 1000, n)
    heads = [f"{a}{y}{m:02d}{d:02d}{o:03d}" for a, y, m, d, o in zip(area, year, month, day, order, strict=True)]
    return [head + ric.calc_check_digit(head + "0") for head in heads]


def wrong_check_digit(number: str) -> str:
    """The same identifier with another last digit, so that only its check fails."""
    others = [digit for digit in "0123456789" if digit != number[-1]]
    return number[:-1] + others[sum(map(ord, number)) % len(others)]


def blank_some(values: list[str], share: float, rng: np.random.Generator) -> list[str | None]:
    """The values with a random share left empty."""
    empty = rng.random(len(values)) < share
    return [None if gone else value for value, gone in zip(values, empty, strict=True)]
