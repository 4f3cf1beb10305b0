"""Texts that others wrote, inside a Markdown report: they stay texts.

CommonMark takes a backslash before any ASCII punctuation as the sign itself. What GitHub makes of mentions and
references comes after that, from the text shown: there a zero-width space after the sign is what breaks them.
"""

from __future__ import annotations

import re
import unicodedata

_ZERO_WIDTH = "\u200b"
# inline markup wherever it stands; `_` between letters is none, and ids keep it bare; the colon of an address links
_INLINE = re.compile(r"[\\`*\[\]<>|~$#]|&(?=[#\w])|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.", re.IGNORECASE)
# at the beginning of a paragraph or of an item: lists, quotes, rules, underlined titles
_LEADING = re.compile(r"^(?:[-+=](?=[\s=-]|$)|\d{1,9}(?=[.)](?:\s|$)))")
# people, issues, pictures by name: read from the text shown, whatever was escaped
_REFERENCE = re.compile(
    r"(?<!\w)@(?=\w)|@(?=[\w-]+\.\w)|#(?=\d)|:(?=[\w+-]+:)|\bGH-(?=\d)",  # `source@2021` names nobody
    re.IGNORECASE,
)
_TURNS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # they show a text in another order


def plain(text: str) -> str:
    """A text without the signs that no reader sees and that can change what he reads; lines stay.

    Examples
    --------
    >>> plain("a\\u202eb\\x00c\\nd")
    'abc\\nd'
    """
    kept = (sign for sign in text if sign in "\n\t" or (unicodedata.category(sign) != "Cc" and sign not in _TURNS))
    return "".join(kept)


def inline(text: object) -> str:
    r"""A text on one line that Markdown shows as it is, in a paragraph, an item, a title or a cell.

    Examples
    --------
    >>> inline("# <b>Lille</b> |\n[a](b) insee_demo *x*")
    '\\# \\<b\\>Lille\\</b\\> \\| \\[a\\](b) insee_demo \\*x\\*'
    >>> inline("@maire") == "@\u200bmaire", inline("1. Lille"), inline("https://a.fr")
    (True, '1\\. Lille', 'https\\://a.fr')
    >>> inline("insee_demo_qpv@2022")
    'insee_demo_qpv@2022'
    """
    # no-break spaces are typography, and stay
    line = re.sub(r"[^\S\u00a0\u202f]+", " ", str(text))
    line = plain(line).strip()  # after the signs that go: one of them may stand before a space
    line = _REFERENCE.sub(lambda found: found[0] + _ZERO_WIDTH, line)
    line = _INLINE.sub(lambda found: "\\" + found[0], line)
    return _LEADING.sub(_escaped_start, line)


def _escaped_start(found: re.Match[str]) -> str:
    return f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}"


def block(text: str) -> str:
    """Lines of a code block, indented: nothing in it is markup; a blank line does not end it.

    Examples
    --------
    >>> block("a\\n\\nb")
    '    a\\n    \\n    b'
    """
    # mail programs read the text of a pull request without its markup
    lines = (re.sub(r"(?<!\w)@(?=\w)", f"@{_ZERO_WIDTH}", plain(line)) for line in text.splitlines())
    return "\n".join(f"    {line}" for line in lines)
