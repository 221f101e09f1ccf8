"""The built book: complete, no dead link, no picture without words, nothing from elsewhere."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag

pytestmark = pytest.mark.book

ROOT = Path(__file__).resolve().parents[2]
Pages = dict[Path, BeautifulSoup]


def test_every_entry_of_the_contents_is_a_page_and_nothing_else_is(built: Path, pages: Pages):
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    names = re.findall(r"(?:root|file): (\S+)", contents)
    sheets = [
        f"workshop/{Path(name).name}_{kind}"
        for name in names
        if name.startswith("notebooks/")
        for kind in ("guesses", "answers")
    ]
    expected = {f"{name}.html" for name in [*names, *sheets, "genindex", "search"]}
    assert {str(page.relative_to(built)) for page in pages} == expected


def test_every_page_has_its_own_title_and_one_heading(pages: Pages):
    titles = [soup.title.get_text() for soup in pages.values()]
    assert all(titles)
    assert len(set(titles)) == len(titles)
    for page, soup in pages.items():
        # The theme repeats the title for print.
        headings = soup.select("article h1")
        assert len(headings) <= 1, page
        assert headings or page.stem in {"genindex", "search"}, page


def test_local_links_lead_to_a_file_and_a_place_in_it(built: Path, pages: Pages):
    ids = {
        page: {tag["id"] for tag in soup.find_all(id=True)}
        | {tag["name"] for tag in soup.find_all("a", attrs={"name": True})}
        for page, soup in pages.items()
    }
    dead = []
    for page, soup in pages.items():
        for tag in soup.find_all(["a", "img", "script", "link", "source", "iframe"]):
            link = urlsplit(tag.get("href") or tag.get("src") or "")
            if link.scheme or link.netloc:
                continue
            target = (page.parent / unquote(link.path)).resolve() if link.path else page
            target = target / "index.html" if target.is_dir() else target
            missing_id = link.fragment and unquote(link.fragment) not in ids.get(target, set())
            if not target.is_file() or (missing_id and target in ids):
                dead.append(f"{page.relative_to(built)}: {link.geturl()}")
    assert not dead, "\n".join(dead)


def says_something(picture: Tag) -> bool:
    """Return whether a picture has words, and not those that Sphinx makes up."""
    if picture.name == "svg":
        label = picture.get("aria-label") or picture.get("aria-labelledby") or picture.find("title")
        return bool(label)
    if picture.find_parent("a", class_="navbar-brand"):
        return "alt" in picture.attrs  # the name of the book stands beside it
    return not re.fullmatch(r"(?:.*[/_]images?/.*)?", picture.get("alt", ""))


def test_every_picture_has_an_alternative_text(built: Path, pages: Pages):
    mute = [
        f"{page.relative_to(built)}: {str(picture)[:100]}"
        for page, soup in pages.items()
        for picture in soup.select("img, svg[role=img]")
        if not says_something(picture)
    ]
    assert not mute, "\n".join(mute)


PYTHON = re.compile(r"\{'|\b(?:array|np\.\w+)\(|<\w[\w.]* object|\bnan\b")


def test_captions_and_alternative_texts_are_in_words(built: Path, pages: Pages):
    spoken = [
        f"{page.relative_to(built)}: {text[:100]}"
        for page, soup in pages.items()
        for tag in soup.select("[aria-label], [alt], figcaption, caption")
        for text in (tag.get("aria-label"), tag.get("alt"), tag.get_text())
        if text and PYTHON.search(text)
    ]
    assert not spoken, "\n".join(spoken)


def test_pages_load_nothing_from_another_site(built: Path, pages: Pages):
    foreign = []
    for page, soup in pages.items():
        for tag in soup.find_all(["script", "img", "source", "iframe", "video", "audio", "link"]):
            # A canonical address or a licence is only named by a <link>, not loaded.
            if tag.name == "link" and not {"stylesheet", "icon", "preload"} & set(tag["rel"]):
                continue
            link = urlsplit(tag.get("src") or tag.get("href") or "")
            if link.netloc:
                foreign.append(f"{page.relative_to(built)}: {link.geturl()}")
    for sheet in built.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        addresses = re.findall(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")\s]+)", text)
        foreign += [f"{sheet.relative_to(built)}: {address}" for address in addresses]
    assert not foreign, "\n".join(foreign)


def test_the_page_of_results_lists_every_notebook(built: Path, pages: Pages):
    links = {a["href"] for a in pages[built / "book" / "results.html"].select("article a[href]")}
    notebooks = {f"../notebooks/{path.stem}.html" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert notebooks
    assert notebooks <= links


def test_every_notebook_offers_to_run_on_colab(built: Path, pages: Pages):
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        soup = pages[built / "notebooks" / f"{path.stem}.html"]
        links = [a["href"] for a in soup.select("a[href*='colab.research']")]
        assert len(links) == 1
        assert links[0].endswith(f"/blob/main/notebooks/{path.name}")


def test_no_page_waits_for_a_kernel(pages: Pages):
    dead = [
        str(page)
        for page, soup in pages.items()
        if soup.find("script", type=re.compile(r"jupyter\.widget"))
    ]
    assert not dead, "widgets, which are nothing without a kernel: " + ", ".join(dead)
