"""Landing pages of producers: the files they link to, their date, and editions that the catalogue does not know."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from qpv_sante.addresses import UNREADABLE
from qpv_sante.content import KINDS

# the ends of words are bounded: without it, a long text without spaces is searched again from each of its hyphens
_PUBLISHED = re.compile(
    r"(?i)\b(?:paru|publi\S{0,12}|mis\S{0,3} (?:en ligne|à jour)) ?(?:le)? ?:? ?(\d{1,2}/\d{1,2}/\d{4})"
)
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


@dataclass(frozen=True)
class Page:
    """What a landing page says.

    Attributes
    ----------
    url, title : str
        Its address and its title.
    published : str or None
        Date of publication, as written: `28/08/2024`.
    links : dict of str to str
        Addresses that it links to, complete, and the words of each link.
    """

    url: str
    title: str
    published: str | None
    links: dict[str, str]


def parse_page(html: str, url: str) -> Page:
    """Read an HTML page.

    Parameters
    ----------
    html : str
        Text of the page.
    url : str
        Address of the page, which completes its links.

    Returns
    -------
    Page

    Examples
    --------
    >>> page = parse_page(
    ...     '<title>Revenus en 2021</title><p>Paru le : 28/08/2024</p><a href="/fichier/1/a.zip">csv</a>'
    ...     '<a href="b.csv#top"><b>Note</b></a>', "https://www.insee.fr/fr/1")
    >>> page.title, page.published
    ('Revenus en 2021', '28/08/2024')
    >>> page.links
    {'https://www.insee.fr/fichier/1/a.zip': 'csv', 'https://www.insee.fr/fr/b.csv': 'Note'}
    """
    links: dict[str, list[str]] = {}
    words: list[str] = []
    title: list[str] = []

    class Reader(HTMLParser):
        link, in_title = "", False

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.in_title = self.in_title or tag == "title"
            if tag != "a":
                return
            href = (dict(attrs).get("href") or "").strip().replace(" ", "%20")
            if UNREADABLE.search(href):
                href = ""
            self.link = ""
            with contextlib.suppress(ValueError):  # a malformed link is not ours
                link = urldefrag(urljoin(url, href)).url if href else ""
                if urlsplit(link).scheme in {"http", "https"}:
                    self.link = link
                    links.setdefault(link, [])

        def handle_endtag(self, tag: str) -> None:
            self.link = "" if tag == "a" else self.link
            self.in_title = self.in_title and tag != "title"

        def handle_data(self, data: str) -> None:
            if self.in_title:
                title.append(data)
            if self.link:
                links[self.link].append(data)
            words.append(data)

    Reader().feed(html)
    found = _PUBLISHED.search(" ".join(" ".join(words).split()))
    told = {link: " ".join(" ".join(texts).split()) for link, texts in links.items()}
    return Page(url, " ".join("".join(title).split()), found[1] if found else None, told)


def unknown_editions(page: Page, known: Iterable[str]) -> dict[str, str]:
    """Links of a page that look like another edition of something the catalogue has.

    Either a file whose name is that of a known file but for its numbers, or a page whose words are this page's title
    but for the year.

    Parameters
    ----------
    page : Page
        A landing page.
    known : iterable of str
        Addresses of the files that the catalogue already has, on this page.

    Returns
    -------
    dict of str to str
        Address and name of each.

    Examples
    --------
    >>> page = Page("https://i.fr/1", "Revenus en 2021", None, {
    ...     "https://i.fr/REVN_2021_csv.zip": "", "https://i.fr/REVN_2023_csv.zip": "csv",
    ...     "https://i.fr/fr/statistiques/9": "Revenus en 2022", "https://i.fr/note.pdf": "Notice"})
    >>> unknown_editions(page, ["https://i.fr/REVN_2021_csv.zip"])
    {'https://i.fr/REVN_2023_csv.zip': 'REVN_2023_csv.zip', 'https://i.fr/fr/statistiques/9': 'Revenus en 2022'}
    """
    have = set(known)
    forms, names = {_form(_name(url)) for url in have}, {_name(url) for url in have}
    found = {}
    for url, words in page.links.items():
        name = _name(url)
        is_file = PurePosixPath(name).suffix.lower().lstrip(".") in KINDS
        if is_file and url not in have and name not in names and _form(name) in forms:
            found[url] = name
        elif not is_file and _YEAR.search(words) and words != page.title and _form(words) == _form(page.title):
            found[url] = words
    return found


def _name(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name


def _form(text: str) -> str:
    """A name without its numbers, nor the `_v2` of a corrected file."""
    return re.sub(r"\d+", "#", re.sub(r"_v\d+(?=[_.])", "", text.casefold()))
