"""Guess what a column holds from its header and its values, each guess with its reason. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from core.characters import visible
from core.contract import LogicalType
from ingest.conform.codes import is_resident_id, is_uscc
from ingest.propose.words import DATE_FORMATS, NAME_WORDS, SHORT_UNITS, TIME_FORMATS, UNITS
from ingest.values.text import is_missing, is_shortened, read_number, read_percent
from ingest.values.times import moment_of

MOST_TIMES = 2_000  # values that time formats are tried on
MOST = 0.9  # a kind is taken when so many of the values are of it
_IN_BRACKETS = re.compile(r"[(\[]([^()\[\]]+)[)\]]\s*$")
_ID_HEADER = re.compile(r"(编号|编码|代码|序列号|站号|id|_no|code|_sn|guid|uuid|identifier)$", re.IGNORECASE)
_MODEL_HEADER = re.compile(r"型号|规格|牌号|批号|(^|_)model", re.IGNORECASE)  # 2.10 is another one than 2.1
_TIME_HEADER = re.compile(r"时间|日期|time|date|_at$|_on$|updated|timestamp|^year\+", re.IGNORECASE)
_AREA_HEADER = re.compile(r"行政区划|区划代码|adcode|area_?code|xzqh", re.IGNORECASE)
_AREA_CODE = re.compile(r"(1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[12])\d{4}(\d{3})?(\d{3})?")
_USCC_HEADER = re.compile(r"统一社会信用代码|uscc|credit_?code", re.IGNORECASE)
_ID_NO_HEADER = re.compile(r"身份证|id_?card|sfzh", re.IGNORECASE)
_PHONE_HEADER = re.compile(r"电话|手机|联系方式|phone|mobile|(^|_)tel($|_)", re.IGNORECASE)
_PERSON_HEADER = re.compile(
    r"姓名|联系人|负责人|法定代表人|经办人|责任人|(检查|巡查|巡检|检测|检验|填报|记录|审核|复核|值班|操作|维保|养护|管理|施工)(人|员)"
    r"|司机|驾驶员|业主|person_?name|worker_?name|contact|inspector|operator_?name|driver(?!_?id)|checked_by|signed_by",
    re.IGNORECASE,
)
_FACE_HEADER = re.compile(r"照片|人脸|头像|face|photo", re.IGNORECASE)
_PLATE_HEADER = re.compile(r"车牌(?!颜色)|plate(?!_?colou?r)", re.IGNORECASE)
_BYTES = re.compile(r"\d+ bytes")  # how the parser tells of a column of bytes that nobody agreed on
_MOBILE = re.compile(r"(\+?86)?1[3-9]\d{9}")
_LON_HEADER = re.compile(r"经度|(^|_)(lon|lng|longitude|jd)$", re.IGNORECASE)
_LAT_HEADER = re.compile(r"纬度|(^|_)(lat|latitude|wd)$", re.IGNORECASE)
_TRUTHS = ({"true", "false"}, {"是", "否"}, {"yes", "no"}, {"y", "n"})
# Whole numbers that count or rank and have no unit.
_UNITLESS = re.compile(
    r"年份|年度|年代|建成年|等级|级别|评级|评分|得分|分数|数量|个数|次数|层数|排名|序号|版本|year|grade|rating|rank|score|level|count|(^|_)n(o|um)?(_|$)",
    re.IGNORECASE,
)
_EPOCHS = {"epoch_s": (946_684_800, 4_102_444_800), "epoch_ms": (946_684_800_000, 4_102_444_800_000)}


@dataclass
class Guess:
    """What is proposed for one column."""

    physical_name: str
    name: str = ""
    logical_type: LogicalType = "string"
    unit: str | None = None
    formats: list[str] = field(default_factory=list)
    classification: str = "internal"
    mask: str | None = None
    check_digit: str | None = None
    code_list: str | None = None
    value_map: dict[str, str] = field(default_factory=dict)
    minimum: float | None = None
    maximum: float | None = None
    role: str = "text"  # id, time, measure, lon, lat, geometry, area, person, text
    n_missing: int = 0
    reasons: list[str] = field(default_factory=list)


def guess_column(name: str, text: pl.Series, header: str | None = None) -> Guess:
    """The guess for one column of text values; `header` is its name without the path or group it stands in.

    Personal data are looked for first.
    """
    guess = Guess(name)
    values = [seen for value in text.drop_nulls().to_list() if not is_missing(seen := visible(value).strip())]
    guess.n_missing = len(text) - len(values)
    header = unicodedata.normalize("NFKC", header or name).strip()
    if not values:
        guess.reasons.append("string: no value in the sample to learn from")
    elif name == "geometry":
        guess.role = "geometry"
        guess.reasons.append("the geometry of each feature as well-known text")
    else:
        for look in (_personal, _coded, _place, _time, _truth, _number):
            if look(guess, header, values):
                break
        else:
            _word(guess, header, values)
    guess.name = _our_name(guess, header)
    return guess


def speaks_of_person(header: str) -> bool:
    """Whether a header alone says that its values are a person's: name, number, telephone, face, plate."""
    if _FACE_HEADER.search(header) or _ID_NO_HEADER.search(header):
        return True
    named = (_PHONE_HEADER, _PERSON_HEADER, _PLATE_HEADER)
    return not _ID_HEADER.search(header) and any(pattern.search(header) for pattern in named)


def _share(values: Sequence[str], test: object) -> float:
    matches = test if callable(test) else re.compile(str(test)).fullmatch
    return sum(bool(matches(value)) for value in values) / len(values)


def _personal(guess: Guess, header: str, values: list[str]) -> bool:
    if all(_BYTES.fullmatch(value) for value in values):
        guess.role, guess.classification, guess.mask = "person", "sensitive", "drop"
        guess.reasons.append("sensitive, dropped: bytes, a picture or a file in the table")
        return True
    if _FACE_HEADER.search(header):
        guess.role, guess.classification, guess.mask = "person", "sensitive", "drop"
        guess.reasons.append("sensitive, dropped: the header speaks of a picture of a person")
        return True
    id_share = _share(values, lambda v: len(v) == 18 and is_resident_id(v.upper()))
    if _ID_NO_HEADER.search(header) or id_share >= MOST:
        guess.role, guess.classification, guess.mask, guess.check_digit = "person", "sensitive", "hash", "resident_id"
        guess.reasons.append(f"sensitive, hashed: {id_share:.0%} of the values are resident numbers by check digit")
        return True
    phone_share = _share(values, _MOBILE.fullmatch)
    if phone_share >= MOST or (_PHONE_HEADER.search(header) and not _ID_HEADER.search(header)):
        guess.role, guess.classification, guess.mask = "person", "personal", "hash"
        guess.reasons.append(
            f"personal, hashed: a telephone by header or values ({phone_share:.0%} are mobile numbers)"
        )
        return True
    if _PERSON_HEADER.search(header) and not _ID_HEADER.search(header):
        guess.role, guess.classification, guess.mask = "person", "personal", "hash"
        guess.reasons.append("personal, hashed: the header names a person")
        return True
    if _PLATE_HEADER.search(header):
        guess.role, guess.classification, guess.mask = "person", "personal", "hash"
        guess.reasons.append("personal, hashed: a plate leads to a driver")
        return True
    return False


def _coded(guess: Guess, header: str, values: list[str]) -> bool:
    share = _share(values, lambda v: len(v) == 18 and is_uscc(v.upper()))
    if share >= MOST or (_USCC_HEADER.search(header) and share > 0):
        guess.check_digit = "uscc"
        guess.reasons.append(f"unified social credit code: {share:.0%} of the values have its check digit")
        return True
    if _AREA_HEADER.search(header) and _share(values, _AREA_CODE.fullmatch) >= MOST:
        guess.role, guess.code_list = "area", "area"
        guess.reasons.append("area code: by header, and the values have 6, 9 or 12 digits of a province")
        return True
    return False


def _place(guess: Guess, header: str, values: list[str]) -> bool:
    numbers = [number for value in values if (number := read_number(value)) is not None]
    for role, pattern, inside, world in (
        ("lon", _LON_HEADER, (73.0, 136.0), (-180.0, 180.0)),
        ("lat", _LAT_HEADER, (3.0, 54.0), (-90.0, 90.0)),
    ):
        if pattern.search(header) and numbers and len(numbers) >= MOST * len(values):
            fits = sum(inside[0] <= number <= inside[1] for number in numbers) >= MOST * len(numbers)
            guess.role, guess.logical_type, guess.unit = role, "number", "deg"
            guess.minimum, guess.maximum = inside if fits else world
            guess.reasons.append(f"{'longitude' if role == 'lon' else 'latitude'} in degrees: by header and range")
            return True
    return False


def _time(guess: Guess, header: str, values: list[str]) -> bool:
    is_named = bool(_TIME_HEADER.search(header))
    for form, (first, last) in _EPOCHS.items():
        if is_named and _share(values, lambda v, a=first, b=last: v.isdigit() and a <= int(v) <= b) >= MOST:
            guess.role, guess.logical_type, guess.formats = "time", "timestamp", [form]
            guess.reasons.append(f"instants: whole numbers that are {form} between the years 2000 and 2100")
            return True
    if not re.search(r"\d.*[-/年.:T]", values[0]) and not is_named:
        return False
    values = values[:MOST_TIMES]
    for kind, formats in (("timestamp", TIME_FORMATS), ("date", DATE_FORMATS)):
        found, share = _formats_of(values, formats)
        if share >= MOST:
            guess.role, guess.formats = "time", found
            guess.logical_type = "timestamp" if kind == "timestamp" else "date"
            zone = "with their offset" if all("%z" in form for form in found) else "taken as Beijing time: CHECK"
            guess.reasons.append(f"{kind}: {share:.0%} of the values read as {' or '.join(found)}, {zone}")
            if _is_ambiguous(values, found):
                guess.reasons.append("CHECK: day and month cannot be told apart in the sample; month first assumed")
            return True
    return False


def _formats_of(values: Sequence[str], formats: Sequence[str]) -> tuple[list[str], float]:
    """The formats that are needed, fewest first, and the share of values that they read."""
    left, found = values, list[str]()
    while left:
        readable = {form: [value for value in left if _reads(value, form)] for form in formats}
        best = max(formats, key=lambda form: len(readable[form]))
        if len(readable[best]) < max(1, 0.01 * len(values)):
            break
        found.append(best)
        taken = set(readable[best])
        left = [value for value in left if value not in taken]
    return found, 1 - len(left) / len(values)


def _reads(value: str, form: str) -> bool:
    moment = moment_of(value, form)
    return moment is not None and 1900 <= moment.year <= 2100


def _is_ambiguous(values: Sequence[str], found: Sequence[str]) -> bool:
    swapped = [form.replace("%m/%d", "%d/%m") for form in found if "%m/%d/" in form]
    return bool(swapped) and all(any(_reads(value, form) for form in swapped) for value in values)


def _truth(guess: Guess, _header: str, values: list[str]) -> bool:
    words = {value.lower() for value in values}
    if len(words) == 2 and words in _TRUTHS:
        guess.logical_type = "boolean"
        guess.value_map = {word: "true" if word in ("true", "是", "yes", "y") else "false" for word in sorted(words)}
        guess.reasons.append(f"boolean: only {' and '.join(sorted(words))}")
        return True
    return False


def _number(guess: Guess, header: str, values: list[str]) -> bool:
    percents = [number for value in values if (number := read_percent(value)) is not None]
    numbers = percents + [number for value in values if (number := read_number(value)) is not None]
    if len(numbers) < MOST * len(values):
        return False
    shortened = int(is_shortened(pl.Series(values)).sum())
    if shortened:
        guess.reasons.append(
            f"CHECK: {shortened} values like {values[0]} were shortened by a sheet; ask for the column as text"
        )
    is_padded = any(re.fullmatch(r"0\d+", value) for value in values)
    if is_padded or _ID_HEADER.search(header) or _MODEL_HEADER.search(header):
        guess.role = "id" if _ID_HEADER.search(header) else "text"
        guess.reasons.append("string: digits that are a name and not an amount (leading zeros or header)")
        return True
    is_whole = all(number == int(number) for number in numbers) and not any("." in value for value in values)
    guess.role, guess.logical_type = "measure", "integer" if is_whole else "number"
    guess.reasons.append(
        f"{guess.logical_type}: {len(numbers) / len(values):.0%} of the values are numbers, "
        f"{min(numbers):g} to {max(numbers):g} in the sample; no bounds proposed from a sample"
    )
    unit = _unit_of(header)
    if percents:
        guess.logical_type, guess.unit = "number", "percent"
        guess.reasons.append("unit percent: the values have its sign")
    elif unit:
        guess.unit = UNITS[unit][0]
        guess.reasons.append(f"unit {guess.unit}: the header says {unit}")
    elif _UNITLESS.search(header) or (is_whole and all(1900 <= number <= 2100 for number in numbers)):
        guess.unit = "1"
        guess.reasons.append("a plain number: by header or values a year, a count or a grade")
    else:
        guess.reasons.append("CHECK: no unit in the header; add one unless it is a plain number")
    if guess.unit == "percent" and all(0 <= number <= 100 for number in numbers):
        guess.minimum, guess.maximum = 0, 100
    return True


def _word(guess: Guess, header: str, values: list[str]) -> None:
    distinct = sorted(set(values))
    if _ID_HEADER.search(header):
        guess.role = "id"
        guess.reasons.append("string: an identifier by header")
    elif len(distinct) <= 12 and len(values) >= 4 * len(distinct):
        guess.reasons.append(f"string: only {', '.join(distinct)} in the sample; an enum with a valueMap may fit")
    else:
        guess.reasons.append(f"string: {len(distinct)} different values")


def _unit_of(header: str) -> str | None:
    folded = header.replace("³", "3").replace("²", "2").lower()
    bracketed = _IN_BRACKETS.search(folded)
    if bracketed:
        return bracketed.group(1).strip() if bracketed.group(1).strip() in UNITS else None
    ending = folded.rpartition("_")[2] if "_" in folded else ""
    whole = next((unit for unit, (_, suffix) in UNITS.items() if folded.endswith(f"_{suffix}") and "_" in suffix), None)
    if whole:
        return whole
    by_suffix = {suffix: unit for unit, (_, suffix) in reversed(list(UNITS.items()))}
    found = ending if ending in UNITS else by_suffix.get(ending)
    return found if found and (ending not in SHORT_UNITS or len(folded) > len(ending) + 2) else None


def _our_name(guess: Guess, header: str) -> str:
    """A name in our manner: lower case, English, quantity and unit; empty when the header has no known word."""
    fixed = {"lon": "lon", "lat": "lat", "geometry": "geometry_wkt", "area": "area_code"}.get(guess.role)
    if fixed:
        return fixed
    if header.startswith("year+"):
        return "observed_at" if guess.logical_type == "timestamp" else "date_on"
    bare = _IN_BRACKETS.sub("", header).strip()
    if bare.isascii():
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", bare)
        stem = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    else:
        stem = next((ours for word, ours in sorted(NAME_WORDS.items(), key=lambda w: -len(w[0])) if word in bare), "")
    if stem and stem[0].isdigit():
        stem = f"c_{stem}"
    unit = _unit_of(header) if guess.role == "measure" else None
    suffix = UNITS[unit][1] if unit else ""
    return f"{stem}_{suffix}" if stem and suffix and not stem.endswith(suffix) else stem
