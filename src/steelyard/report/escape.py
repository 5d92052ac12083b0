"""Makes foreign text inert: names from files and modules cannot act in a terminal, HTML, Markdown or CSV."""

from __future__ import annotations

import html
import re
import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~$^:-])")
_MARKDOWN_PLAIN = re.compile(r"[A-Za-z0-9 .,/%=:;'()+×-]*\Z")


def printable(text: str) -> str:
    """``text`` with control, format, surrogate and line-separating characters as U+FFFD.

    >>> printable("conv1"), printable("a" + chr(27) + "[31mb" + chr(10))
    ('conv1', 'a\ufffd[31mb\ufffd')
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if unicodedata.category(c) in _HIDDEN else c for c in text)


def html_text(text: str) -> str:
    """``text`` for an HTML text node or a quoted attribute.

    >>> html_text('<b onclick="x">')
    '&lt;b onclick=&quot;x&quot;&gt;'
    """
    return html.escape(printable(text), quote=True)


def markdown_text(text: str) -> str:
    """``text`` for a cell of a Markdown table: no link, emphasis, code, HTML or cell border arises.

    >>> markdown_text("a|b"), markdown_text("layer1.0.conv1"), markdown_text("<i>[x](y)")
    ('a\\\\|b', 'layer1.0.conv1', '&lt;i&gt;\\\\[x\\\\]\\\\(y\\\\)')
    """
    clean = printable(text)
    plain = _MARKDOWN_PLAIN.match(clean) and not clean.startswith(("-", "+"))
    if plain and "://" not in clean and "www." not in clean.lower():
        return clean
    # entities first; the characters that they contain are not touched by the backslashes
    clean = clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    clean = _MARKDOWN.sub(r"\\\1", clean)
    return re.sub(r"(?i)\b(www)\.", r"\1&#46;", clean)


def csv_text(text: str) -> str:
    """``text`` for a spreadsheet cell: what would start a formula gets a leading apostrophe.

    Control characters become U+FFFD, since CSV is printed on terminals too.

    >>> csv_text("=1+2"), csv_text("conv1")
    ("'=1+2", 'conv1')
    """
    clean = printable(text)
    return f"'{clean}" if text.startswith(_FORMULA) else clean


def script_json(text: str) -> str:
    """JSON ``text`` for the inside of an HTML script element: no tag or comment can end or open there.

    >>> script_json('{"a": "</script>"}')
    '{"a": "\\\\u003c/script\\\\u003e"}'
    """
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
