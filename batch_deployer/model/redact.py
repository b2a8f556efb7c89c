"""Keeping secret texts out of whatever is written, however a server or a library has encoded them."""

import base64
import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache

HIDDEN = "******"
_MIN_LENGTH = 3
"""A secret of one or two characters would blank out half of every line, and protects nothing."""
_WORD_LENGTH = 8
"""Characters from which a secret is hidden within words too. A shorter one is hidden as a whole word only: it would
otherwise hide parts of names, such as `DNS_API_KEY` for the secret `KEY`."""
_ENCODED = re.compile(r"[%&\\]")
"""What every percent-encoded, HTML-escaped or JSON-escaped text holds."""
_CACHED_TEXTS = 4096
_MAX_CACHED_TEXT = 1000
"""Characters: shorter texts come again and again, longer ones hold what is new."""
_LONG = 64


class Redactor:
    """Replaces every known secret by `******`.

    Found are the secret itself and its percent-, form-, HTML- and JSON-encoded forms (JSON inside JSON too), each character
    in any of them; its base64 and base64url forms, also within a longer encoded text; its hexadecimal digits; and its lines.
    `secrets` gives all texts known so far; it is read each time, as secrets are resolved while a run goes on.
    """

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        """Nothing is read yet."""
        self._secrets = secrets
        self._known: frozenset[str] = frozenset()
        self._needles: tuple[str, ...] = ()
        self._short: tuple[str, ...] = ()
        self._cached: dict[str, str] = {}

    def text(self, text: str) -> str:
        """The text without secrets."""
        self._refresh()
        if not self._needles and not self._short:
            return text
        if len(text) > _MAX_CACHED_TEXT:
            return self._without(text)
        found = self._cached.get(text)
        if found is None:
            found = self._without(text)
            if len(self._cached) >= _CACHED_TEXTS:
                self._cached.clear()
            self._cached[text] = found
        return found

    def name(self, name: str) -> str:
        """A name that decisions depend on, without secrets that are long enough not to be one by chance."""
        self._refresh()
        # Ids arrive in lower case, however the server wrote them.
        return _replaced(name, (*self._needles, *map(str.lower, self._needles)))

    def value(self, value: object) -> object:
        """The same through strings, lists, tuples and dicts; anything else as it is."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.value(name): self.value(part) for name, part in value.items()}
            case list() | tuple():
                return [self.value(part) for part in value]
            case BaseException():
                return self.text(repr(value))
        return value

    def _refresh(self) -> None:
        known = frozenset(self._secrets())
        if known is not self._known and known != self._known:
            self._known = known
            self._cached.clear()
            # Server texts arrive with runs of white space as one blank.
            pieces = {form for secret in known for form in (secret, " ".join(secret.split()), *_lines(secret))}
            needles = {form for piece in pieces if len(piece) >= _WORD_LENGTH for form in _forms(piece)}
            # Longest first, so that no rest of a longer one remains.
            self._needles = tuple(sorted(needles, key=lambda form: (-len(form), form)))
            self._short = tuple(sorted(piece for piece in pieces if _MIN_LENGTH <= len(piece) < _WORD_LENGTH))

    def _without(self, text: str) -> str:
        text = _replaced(text, self._needles)
        for secret in self._short:
            if secret in text or _may_encode(text, secret):
                text = _word(secret).sub(HIDDEN, text)
        return text


def _replaced(text: str, needles: tuple[str, ...]) -> str:
    for needle in needles:
        if needle in text:
            text = text.replace(needle, HIDDEN)
    for needle in needles:
        if _may_encode(text, needle):
            text = _anyhow(needle).sub(HIDDEN, text)
    return text


def _may_encode(text: str, needle: str) -> bool:
    """Whether a text may hold the needle in an encoded form. Cheap, as nearly all texts hold none."""
    return bool(_ENCODED.search(text)) or (" " in needle and "+" in text)


def _lines(secret: str) -> list[str]:
    """The lines of a secret of several; short ones say nothing."""
    return [line for line in secret.splitlines() if len(line) >= _WORD_LENGTH]


def _forms(secret: str) -> set[str]:
    """The secret and the texts that encode its bytes."""
    forms = {secret}
    for text in {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}:
        data = text.encode("utf-8", "surrogatepass")
        forms |= {data.hex(), data.hex().upper()}
        for before in range(3):
            # Within a longer text the bytes may begin at any of three places. Digits shared with other bytes are left out.
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                digits = encode(bytes(before) + data).decode()
                forms.add(digits[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6])
    return {form for form in forms if len(form) >= _WORD_LENGTH}


@lru_cache(maxsize=4096)
def _anyhow(secret: str) -> re.Pattern[str]:
    """The secret with each of its characters in any encoding.

    Of a long one without blanks, such as a token, only the start is spelt out: the pattern for 16 KB would take seconds to
    compile. Its start hides all up to the next blank.
    """
    long = len(secret) > _LONG and not any(map(str.isspace, secret))
    # Encoding makes one longer run of a run of backslashes.
    pieces = _PIECES.findall(secret[:_LONG] if long else secret)
    return re.compile("".join(map(_character, pieces)) + (r"\S*" if long else ""))


@lru_cache(maxsize=256)
def _word(secret: str) -> re.Pattern[str]:
    """The same as a whole word."""
    return re.compile(rf"(?<![A-Za-z0-9_]){_anyhow(secret).pattern}(?![A-Za-z0-9_])")


_NAMED = {'"': "quot", "&": "amp", "'": "apos", "<": "lt", ">": "gt"}
_ESCAPED = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}
_QUOTED = "\"'/"
_PIECES = re.compile(r"\\+|[^\\]")
_BACKSLASH = r"(?:\\|%5[cC]|&#92;|&#[xX]5[cC];)"
# Bounded, possessive and only from the start of a run: a server may send nothing but backslashes.
_RUN = rf"(?<!\\)(?<!%5[cC])(?<!&#92;)(?<!&#[xX]5[cC];){_BACKSLASH}{{1,256}}+"
_ESCAPE = rf"(?:{_RUN}|(?<=\\)|(?<=%5[cC])|(?<=&#92;)|(?<=&#[xX]5[cC];))"
"""What begins an escape. A backslash of the secret itself, right before it, may have taken all of them."""


@lru_cache(maxsize=4096)
def _character(char: str) -> str:
    """A pattern of every way to write a character, or a run of backslashes."""
    if len(char) > 1:
        return f"(?:{_RUN}|(?:{_character(char[0])}){{{len(char)}}})"
    data, point = char.encode("utf-8", "surrogatepass"), ord(char)
    units = char.encode("utf-16-be", "surrogatepass").hex()
    ways = [
        re.escape(char),
        "".join(f"%{_digits(byte)}" for byte in (data[at : at + 1].hex() for at in range(len(data)))),
        "".join(rf"{_ESCAPE}u{_digits(units[at : at + 4])}" for at in range(0, len(units), 4)),
        f"&#0*{point};",
        f"&#[xX]0*{_digits(f'{point:x}')};",
    ]
    if char in _NAMED:
        ways.append(f"&{_NAMED[char]};")
    if char in "\b\f\n\r\t":
        ways.append(f"{_ESCAPE}{_ESCAPED[char]}")
    if char == " ":
        ways.append(r"\+")
    if char.isspace():
        ways.append(r"\s")
    if point < 256:
        ways.append(rf"{_ESCAPE}x{_digits(f'{point:02x}')}")
    if char == "\\":
        return f"(?:{_RUN}|{'|'.join(ways)})"
    # A quote or a slash may have any number of backslashes before it, escaped once more or not.
    return f"(?:{f'(?:{_RUN})?' if char in _QUOTED else ''}(?:{'|'.join(ways)}))"


def _digits(text: str) -> str:
    """Hexadecimal digits in either case."""
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in text)
