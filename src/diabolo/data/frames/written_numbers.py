"""Find out whether texts are numbers, and how they are written.

Order: units, numbers taken apart, the form of a column, the marks between digits.
"""

import re
from typing import NamedTuple

from diabolo.data.frames.cells import FEW_TEXTS, SAMPLE, Cells, Found, misfits, remedy, share
from diabolo.data.frames.forms import MINUS, SEPARATORS, NumberForm, pattern
from diabolo.data.frames.marks import AMONG_NUMBERS
from diabolo.typing import ArrowArray

FRACTION = re.compile(r"\d[.,]\d")
FEW_WORDS = 3
SEVERAL = 5  # different numbers, all of whose points stand before three digits, may have points between thousands
MEASURED = 20  # so many different numbers with a fraction are measurements, not the names of levels


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CURRENCIES = _words(
    "$ \u20ac \u00a3 \u00a5 \u20b9 \u20a9 \u20bd \u20ba R$ US$ A$ C$ Rs. Rs kr EUR USD GBP CHF JPY CNY INR AUD CAD "
    "SEK NOK DKK PLN BRL"
)
UNITS = _words(
    "% \u2030 \u00b0 \u00b0C \u00b0F \u00b0K kg g mg \u00b5g t lb lbs oz km m cm mm \u00b5m nm in ft yd mi km/h kmh "
    "mph m/s kn l L ml cl gal h hr hrs min mins s sec secs ms d days y yr yrs years Hz kHz MHz GHz W kW MW V mV mA "
    "kWh MWh Wh cal kcal Pa hPa kPa bar psi px pt MB GB TB kB KB bytes bpm rpm cc hp bhp K k M B bn mn x X pp ' \" "
    "million billion thousand"
)
KNOWN_UNITS = UNITS | CURRENCIES
_BODY = r"\d[\d.,'\u2019\u00a0\u202f _]*|[.,]\d+"
_SPLIT = re.compile(
    rf"(?P<open>\()?(?P<sign>[+\-{MINUS}] ?)?(?P<prefix>[^\d\s.,()+\-{MINUS}]{{1,4}}\.? ?)?(?P<sign2>[+\-{MINUS}])?"
    rf"(?P<body>{_BODY})(?P<exponent>[eE][+-]?\d{{1,3}})?(?P<suffix>(?<! ) ?[^\d\s.,()+\-]\S{{0,11}})?(?P<close>\))?"
)
LETTERED = re.compile(r"[A-Za-z]{1,3} ?[+] ?\d+(\.\d+)?")  # D +1.5
PLAIN = re.compile(r"\d+([.,]\d+)?")
CODE = re.compile(r"0\d+")  # 007 is a code, not the number 7
# The decimal mark and the mark between thousands, the likeliest first.
STANDARD = [(".", ""), (".", ","), (",", ""), (",", ".")]
STANDARD += [(decimal, thousands) for thousands in SEPARATORS[2:] for decimal in (".", ",")]


class _Parts(NamedTuple):
    """A text that looks like a number, taken apart."""

    text: str
    negative: bool
    plus: bool
    brackets: bool
    prefix: str
    body: str
    suffix: str


def _parts(text: str) -> _Parts | None:
    found = _SPLIT.fullmatch(text.strip())
    if found is None or bool(found["open"]) != bool(found["close"]) or (found["sign"] and found["sign2"]):
        return None
    prefix, suffix = found["prefix"] or "", found["suffix"] or ""
    if prefix and prefix.strip() not in CURRENCIES:
        return None
    if suffix and suffix.strip() not in KNOWN_UNITS and not (suffix[0] == " " and suffix[1:].isalpha()):
        return None
    body, sign = found["body"], (found["sign"] or found["sign2"] or "").strip()
    if body != body.rstrip(" "):
        suffix, body = " " + suffix if suffix else suffix, body.rstrip(" ")
    return _Parts(
        text, sign in ("-", MINUS), sign == "+", bool(found["open"]), prefix, body + (found["exponent"] or ""), suffix
    )


def find(texts: ArrowArray, known: ArrowArray, name: str, how: Cells) -> Found | None:
    """Return the form of numbers, a doubt for what is nearly numbers, None for other texts."""
    import pyarrow.compute as pc

    sample = texts.slice(0, SAMPLE).to_pylist()
    if not any(_parts(each) for each in sample):
        lettered = [each for each in sample if LETTERED.fullmatch(each.strip())]
        if len(lettered) > FEW_TEXTS * len(sample) and len(sample) - len(lettered) <= FEW_TEXTS * len(sample):
            return Found(doubt=f"numbers after letters, such as {lettered[0].strip()!r:.30}")
        return None
    others = [each for each in sample if _parts(each) is None]
    marks = tuple(each.strip() for each in others if each.strip().lower() in AMONG_NUMBERS)
    wrong = [each for each in others if each.strip().lower() not in AMONG_NUMBERS]
    parts = [each for each in map(_parts, sample) if each is not None]
    if wrong:
        rate = share(texts, known, wrong)
        fractions = sum(bool(FRACTION.search(each.body)) for each in parts)
        # So many numbers are no levels: measurements, or counts among one or two words such as "x" or "Refused".
        counted = len(parts) > MEASURED and len({each.strip() for each in wrong}) <= FEW_WORDS
        if (rate >= FEW_TEXTS and not (rate < 0.5 and (fractions > MEASURED or counted))) or _is_code(parts):
            return None
        return Found(doubt=f"numbers, but also {wrong[0].strip()!r:.40} ({remedy(name, wrong, how)})")
    if _is_code(parts):
        return None
    units = {(each.prefix.strip(), each.suffix.strip()) for each in parts}
    if len(units) > 1:
        odd = [each.text for each in parts if each.suffix and each.suffix.strip() not in KNOWN_UNITS]
        if odd and len(set(odd)) <= FEW_WORDS and len(parts) - len(odd) > MEASURED:  # "62 e" among 1 to 150
            return Found(doubt=f"numbers, but also {odd[0].strip()!r:.40} ({remedy(name, odd, how)})")
        if odd:
            return None  # words such as "1 of" and "2 left"
        shown = " and ".join(f"{each.text.strip()!r:.30}" for each in _of_units(parts)[:2])
        return Found(doubt=f"numbers with different units ({shown}): write one unit in every cell")
    (prefix, suffix) = next(iter(units))
    if suffix and suffix not in KNOWN_UNITS and len(parts) < 3:
        return None
    marks_of, note = _marks_between(parts, name, how)
    if marks_of is None:
        return None if not note else Found(doubt=note)
    decimal, thousands = marks_of
    form = _form(parts, decimal, thousands)
    left = [each for each in misfits(form, texts) if each.strip().lower() not in AMONG_NUMBERS]
    if left:  # beyond the sample
        if share(texts, known, left) >= FEW_TEXTS:
            return None
        return Found(doubt=f"numbers, but also {left[0].strip()!r:.40} ({remedy(name, left, how)})")
    every = texts.to_pylist() if len(texts) > SAMPLE else sample
    marks = tuple(sorted({each.strip() for each in every if each.strip().lower() in AMONG_NUMBERS}))
    if (
        len(texts) > SAMPLE
        and pc.any(pc.match_substring_regex(texts, r"^\s*0\d+\s*$")).as_py()
        and not (prefix or suffix)
    ):
        return None
    return Found(form, marks, note=note)


def _is_code(parts: list[_Parts]) -> bool:
    """Return whether whole numbers have leading zeros."""
    return any(CODE.fullmatch(each.body) for each in parts) and not any(each.prefix or each.suffix for each in parts)


def _of_units(parts: list[_Parts]) -> list[_Parts]:
    """Return one number for each unit."""
    return list({(each.prefix.strip(), each.suffix.strip()): each for each in parts}.values())


def _marks_between(parts: list[_Parts], name: str, how: Cells) -> tuple[tuple[str, str] | None, str]:
    """Return the decimal mark and the mark between thousands that fit all numbers, and a note on a choice.

    None if no two marks fit.
    """
    bodies = [each.body for each in parts]
    fitting = [
        marks
        for marks in STANDARD
        if (not how.decimal or marks[0] == how.decimal)
        and (not how.thousands or marks[1] in ("", how.thousands))
        and all(re.match(pattern(*marks), each) for each in bodies)
    ]
    if not fitting and (how.decimal or how.thousands or all(PLAIN.fullmatch(each) for each in bodies)):
        options = [f"--decimal {how.decimal}"] * bool(how.decimal) + [f"--thousands {how.thousands}"] * bool(
            how.thousands
        )
        said = f", other than {' and '.join(options)} says" if options else ""
        several = sorted(bodies, key=lambda each: "," in each)
        return None, f"numbers with several marks, such as {several[0]!r:.30} and {several[-1]!r:.30}{said}"
    if not fitting:
        return None, ""
    plain = [marks for marks in fitting if not marks[1]]
    grouped = [marks for marks in fitting if marks[1]]
    if (".", "") in plain and not how.thousands:
        pointed = [each for each in bodies if "." in each]
        if how.decimal or (",", ".") not in grouped or len(pointed) < SEVERAL:
            return (".", ""), ""
        # Every point comes before three digits: 21.967 may be 21967.
        other = "add --thousands ." if how.typed else f"types={{{name!r}: 'number:,'}}"
        return (".", ""), f"the point in {pointed[0]} is read as a decimal point: {other} if it is between thousands"
    if how.decimal or how.thousands:
        return (grouped or plain)[0] if how.thousands else (plain or grouped)[0], ""
    if plain and not grouped:
        return plain[0], ""
    if (",", "") in plain and (".", ",") in grouped:
        # Every comma comes before three digits: one reading has thousands, the other has three decimals.
        cell = next(each.body for each in parts if "," in each.body)
        if how.typed:
            other = "add --decimal , if they are decimal commas"
        else:
            other = f"types={{{name!r}: 'number:,'}} if they are decimal commas"
        return (".", ","), f"{cell} is read as {cell.replace(',', '')}: {other}"
    return grouped[0], ""


def _form(parts: list[_Parts], decimal: str, thousands: str) -> NumberForm:
    places = {len(each.body.partition(decimal)[2]) if "e" not in each.body.lower() else 17 for each in parts}
    grouped = any(thousands in each.body for each in parts) if thousands else False
    longest = max(places)
    positive = [each for each in parts if not each.negative and not each.brackets and each.body.strip("0.,")]
    first = parts[0]
    return NumberForm(
        decimal=decimal,
        thousands=thousands if grouped else "",
        prefix=first.prefix,
        suffix=first.suffix,
        brackets=any(each.brackets for each in parts),
        plus=bool(positive) and all(each.plus for each in positive),
        places=min(longest, 17),
        fixed=len(places) == 1 and longest < 17,
    )
