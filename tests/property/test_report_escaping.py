"""Whatever text a run collects, each report shows it as text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pytest_rustybt_ready.report import html
from pytest_rustybt_ready.report.markdown import escape
from pytest_rustybt_ready.report.terminal import fit
from pytest_rustybt_ready.report.text import one_line, percent, shorten, size, visible

# Any code point, lone surrogates included, with much of what means something to some format.
SPECIAL = st.sampled_from(
    list("<>&\"'`*_[](){}|#~$!+-=.:/\\\n\r\t\x00\x1b\x85\u2028\u202e\ud800\ufffe")
)
TEXTS = st.text(st.one_of(SPECIAL, st.characters()), max_size=60)
MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})
XML_FORBIDS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@given(TEXTS)
def test_visible_text_is_allowed_everywhere(text: str) -> None:
    """Visible text has nothing that XML forbids or that turns the reading order, and stays so."""
    found = visible(text)

    assert not XML_FORBIDS.search(found)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", found)
    assert visible(found) == found
    found.encode("utf-8")


@given(TEXTS)
def test_xml_gives_the_text_back(text: str) -> None:
    """Visible text survives a round trip through XML, in an attribute and as content."""
    element = ET.Element("a", {"b": one_line(text)})
    element.text = visible(text)

    again = ET.fromstring(ET.tostring(element, encoding="utf-8"))  # noqa: S314 - our own output

    assert again.attrib["b"] == one_line(text)
    assert (again.text or "") == visible(text)


@given(TEXTS)
def test_markdown_shows_the_text(text: str) -> None:
    """Escaped text renders as one paragraph of that text: no markup, HTML, link or new block."""
    tokens = MARKDOWN.parse(f"x {escape(text)}")
    lone = MARKDOWN.parse(f"- {escape(text) or 'x'}")

    inline = tokens[1].children or []
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert {token.type for token in inline} <= {"text", "text_special", "code_inline"}
    shown = "".join(token.content for token in inline).replace("`", "")
    flat = f"x {one_line(text)}".replace("`", "")
    # A renderer trims code; spaces are not what this is about.
    assert shown.replace(" ", "") == flat.replace(" ", "")
    assert "paragraph_open" in {token.type for token in lone}


class Texts(HTMLParser):
    """Collect text, and any element but code."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[str] = []
        self.tags: set[str] = set()
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags |= {tag, *(name for name, _ in attrs)}

    def handle_data(self, data: str) -> None:
        self.seen.append(data)


@given(TEXTS)
def test_html_prose_shows_the_text(text: str) -> None:
    """Prose renders as its text; the only element it can make is code, of its backticks."""
    found = Texts(str(html._prose(html._shown(text, 1000))))

    assert found.tags <= {"code"}
    assert "".join(found.seen).replace("`", "") == visible(text).replace("`", "")


@given(TEXTS, st.sampled_from(["ascii", "latin-1", "cp1252", "utf-8", "koi8-r"]))
def test_fitted_lines_can_be_written(text: str, encoding: str) -> None:
    """A fitted line can be encoded, and text that the encoding knows is left as it is."""
    line = one_line(text)

    fitted = fit(line, encoding)

    fitted.encode(encoding)
    if line.isascii():
        assert fitted == line


@given(st.integers(0, 500), st.integers(0, 500))
def test_percentage_never_flatters(part: int, rest: int) -> None:
    """100.0 % means all, and 0.0 % is said of nothing or of next to nothing; never rounded up."""
    whole = part + rest

    shown = percent(part, whole)

    if whole:
        assert (shown == "100.0 %") is (rest == 0)
        assert float(shown.removesuffix(" %")) <= part * 100 / whole
    else:
        assert shown == "0.0 %"


@given(TEXTS, st.integers(1, 80))
def test_shortened_text_keeps_its_bound(text: str, limit: int) -> None:
    """Shortened text has at most the characters asked for, and is the text if it fits."""
    short = shorten(text, limit)

    assert len(short) <= limit
    assert (short == text) is (len(text) <= limit) or text.endswith("…")


@given(st.integers(0, 10**13))
def test_sizes_are_readable(octets: int) -> None:
    """A size is a number and a unit."""
    assert re.fullmatch(r"\d+ B|\d+\.\d [kM]B", size(octets))
