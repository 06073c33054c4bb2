"""The encoding of a text file: by its byte order mark, as UTF-8, or the one in which its words look right.

UTF-8 is recognized with certainty; of the encodings with one byte for each letter only a guess is possible, which the
caller says. Order: the encoding, what is plausible in Western texts.
"""

import codecs
import re
import unicodedata
from typing import NamedTuple

UTF8 = "utf-8"
MARKS = (  # that of UTF-32 begins as that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WESTERN = ("cp1252", "mac_roman")
OTHERS = ["cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "shift_jis", "gb18030", "big5", "cp949", "cp1252"]
PLAUSIBLE = 0.75  # of the letters that are not ASCII, in an encoding that is accepted
FEW_LETTERS = 0.02
ENOUGH = 1 << 16  # bytes of lines that are not ASCII
LETTERS = 400  # that are looked at

_PUNCTUATION = set("°µ±²³€£¥©®™§…•·\u00a0½¼¾\u00d7«»\u2013\u2014\u2018\u2019\u201c\u201d")
_RARE = set("šžœŠŽŸŒƒ¡¿")  # cp1252 has them where Mac Roman has common letters
_SHORT_FORMS = re.compile(r"(s|t|d|m|re|ll|ve)\b", re.IGNORECASE)  # after the apostrophe of English


class Encoding(NamedTuple):
    """An encoding by its name in Python, and whether it is a guess."""

    name: str
    guessed: bool = False


def encoding_of(start: bytes, *, whole: bool) -> Encoding | None:
    """Return the encoding of the first bytes of a file; None if they are not text.

    Args: whole: whether they are the whole file, and not cut within a letter.
    """
    for mark, name in MARKS:
        if start.startswith(mark):
            return Encoding(name)
    if b"\0" in start:
        return _wide(start)
    if is_utf8(start, whole=whole):
        return Encoding(UTF8)
    return Encoding(guess(start), guessed=True)


def is_utf8(piece: bytes, *, whole: bool = True) -> bool:
    """Return whether bytes are UTF-8. Args: whole: whether the last letter is complete."""
    try:
        codecs.getincrementaldecoder(UTF8)().decode(piece, final=whole)
    except UnicodeDecodeError:
        return False
    return True


def _wide(start: bytes) -> Encoding | None:
    """Return the kind of UTF-16 in which every other byte of an ASCII text is 0; None if this is another file."""
    for name, zeros, others in (("utf-16-le", start[1::2], start[::2]), ("utf-16-be", start[::2], start[1::2])):
        if zeros.count(0) > 0.8 * len(zeros) and not others.count(0):
            return Encoding(name)
    return None


def guess(piece: bytes) -> str:
    """Return the encoding in which the words of a text that is not UTF-8 look right."""
    lines = [line for line in re.split(rb"[\r\n]+", piece) if not line.isascii()]
    sample = b"\n".join(lines)[:ENOUGH]
    shares = {name: _plausible(sample.decode(name, errors="replace")) for name in WESTERN}
    best = max(WESTERN, key=lambda name: shares[name])  # the first, cp1252, where both are equal
    # A few damaged letters among many of ASCII are no other alphabet.
    if shares[best] >= PLAUSIBLE or sum(byte > 127 for byte in sample) < FEW_LETTERS * len(sample):
        return best if _decodes(sample, best) else "latin_1"
    import charset_normalizer

    found = charset_normalizer.from_bytes(sample, cp_isolation=OTHERS).best()
    return best if found is None or found.encoding in ("ascii", "utf_8") else found.encoding


def _decodes(piece: bytes, encoding: str) -> bool:
    try:
        piece.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _plausible(text: str) -> float:
    """Return the share of letters that are not ASCII, and that Western texts have where they stand."""
    places = [at for at, letter in enumerate(text) if not letter.isascii()][:LETTERS]
    if not places:
        return 0.0
    # Words of Western languages are mostly ASCII; in Cyrillic or Greek that is read as cp1252 every letter is accented.
    words = [word for word in re.findall(r"[^\W\d_]+", text[: places[-1] + 40]) if not word.isascii()]
    accented = sum(not letter.isascii() for word in words for letter in word)
    if words and accented > 0.7 * sum(map(len, words)):
        return 0.0
    return sum(_fits(text, at) for at in places) / len(places)


def _fits(text: str, at: int) -> float:
    """Return how well a letter fits where it stands, from 0 to 1."""
    letter, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    if letter in "\u2018\u201c":  # opening quotes
        return 0.0 if before.isalpha() else 1.0
    if letter == "\u2019" and before.isalpha() and after.isalpha():
        elided = not text[max(0, at - 2) : at - 1].isalpha()  # as in l'eau, O'Brien
        return 1.0 if elided or _SHORT_FORMS.match(text, at + 1) else 0.4
    if letter in "\u2013\u2014":  # dashes
        return 0.4 if before.islower() and after.islower() else 1.0
    if letter in _RARE:
        return 0.0 if letter.isupper() and before.islower() else 0.6
    if letter in _PUNCTUATION:
        return 1.0
    if not unicodedata.category(letter).startswith("L"):
        return 0.0
    return 0.0 if letter.isupper() and before.islower() else 1.0
