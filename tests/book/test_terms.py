"""Terms: their definitions beside them, and their uses in the glossary."""

import re
import runpy
from pathlib import Path

import pytest
from docutils.core import publish_doctree
from sphinx.addnodes import pending_xref

ROOT = Path(__file__).resolve().parents[2]
TERMS = runpy.run_path(str(ROOT / "book" / "_ext" / "terms.py"))
LINKS = runpy.run_path(str(ROOT / "book" / "_ext" / "term_links.py"))
GLOSSARY_TEXT = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
GLOSSARY = """<dl>
<dt id="term-AP">AP<a class="headerlink" href="#term-AP">#</a></dt><dt id="term-average-precision">
average precision</dt><dd><p>Objects <em>found</em> by <a class="reference" href="#term-IoU">
<span id="id3">IoU</span></a>.</p>
<p>More.</p></dd>
<dt id="term-IoU">IoU</dt><dd><p>An overlap.</p></dd></dl>"""
LINK = '<a class="reference internal" href="glossary.html#term-{}"><span>{}</span></a>'
PAGE = f"<article>{LINK.format('AP', 'AP')} and {LINK.format('AP', 'AP')} {LINK.format('no', 'no')}"


def test_a_definition_is_the_first_paragraph_without_links_and_ids():
    found = TERMS["definitions"](GLOSSARY)
    assert list(found) == ["term-AP", "term-average-precision", "term-IoU"]
    assert found["term-AP"] == found["term-average-precision"]
    assert found["term-AP"] == "<p>Objects <em>found</em> by \n<span>IoU</span>.</p>"


def test_a_page_gets_each_of_its_definitions_once():
    meaning = TERMS["definitions"](GLOSSARY)
    page, used = TERMS["hinted"](f"{PAGE}</article>", meaning, "let x;")
    assert used == ["term-AP"]
    assert page.count('aria-describedby="hint-term-AP"') == 2
    assert page.count('id="use-term-AP"') == page.count('id="hint-term-AP"') == 1
    assert page.count("<script>let x;</script>") == 1
    assert LINK.format("no", "no") in page  # what the glossary does not have stays a link


def test_a_page_without_terms_stays_as_it_is():
    assert TERMS["hinted"]("<article></article>", {}, "let x;") == ("<article></article>", [])


def test_the_glossary_tells_where_an_entry_is_used_by_all_of_its_names():
    uses = {
        "term-AP": [("../book/a.html", "A")],
        "term-average-precision": [("b.html", "B &amp; C")],
    }
    text = TERMS["with_uses"](GLOSSARY, uses)
    first, second = re.findall(r"<dd>.*?</dd>", text, re.DOTALL)
    assert '<a href="../book/a.html#use-term-AP">A</a>' in first
    assert '<a href="b.html#use-term-average-precision">B &amp; C</a>' in first
    assert second == "<dd><p>An overlap.</p></dd>"


def test_many_uses_are_folded():
    uses = {"term-IoU": [(f"{i}.html", f"Page {i}") for i in range(TERMS["SHOWN"] + 1)]}
    text = TERMS["with_uses"](GLOSSARY, uses)
    assert f"<summary>Used on {TERMS['SHOWN'] + 1} pages</summary>" in text
    assert '<a href="8.html#use-term-IoU">Page 8</a></p></details></dd>' in text
    assert TERMS["OURS"].sub("", text) == GLOSSARY


def test_what_an_earlier_build_left_goes_without_a_trace():
    page = f"{PAGE}</article>"
    hinted, _ = TERMS["hinted"](page, TERMS["definitions"](GLOSSARY), "let x;")
    uses = TERMS["with_uses"](GLOSSARY, {"term-IoU": [("a.html", "A")]})
    assert TERMS["OURS"].sub("", hinted) == page
    assert TERMS["OURS"].sub("", uses) == GLOSSARY


OTHERWISE = {  # where a word stands for something else than the glossary's
    "chapter04_architectures": {"residual"},  # a layer with a short cut
    "chapter05_training_data": {"batch", "mask", "weight"},  # of slides; to cover; of examples
    "chapter06_restoration": {"weight"},  # how much weight a channel deserves
    "chapter07_smart_microscopy": {"temperature"},  # of the room
    "chapter08_choosing_a_tool": {"threshold"},  # of p values
    "chapter09_training_and_using": {"gain", "precision", "shortcut"},  # of score; half; to a goal
}
NO_PROSE = re.compile(
    r"\A---\n.*?\n---\n|^(?::\w+:|#|:::|```|\([^)]*\)=$)[^\n]*$"
    r"|\{[^}\s]*\}(?:`[^`]*`)?|(?P<ticks>`+)[^`]*(?P=ticks)|\[[^\]]*\]\([^)]*\)|<https?[^>]*>",
    re.DOTALL | re.MULTILINE,
)


def blank(match: re.Match[str]) -> str:
    """Return as many spaces as what was found is long, so that what follows stays in its place."""
    return " " * len(match[0])


def unlinked(text: str, names: list[str]) -> re.Match[str] | None:
    """Return where a page uses a term before it links it; headings, code and links do not count."""
    word = "|".join(re.escape(name) for name in names)
    linked = re.search(rf"\{{term\}}`(?:[^`<]*<)?(?:{word})>?`", text)
    plain = re.search(rf"(?<![\w-])(?:{word})s?(?![\w-])", NO_PROSE.sub(blank, text))
    return plain if plain and not (linked and linked.start() < plain.start()) else None


@pytest.mark.parametrize("path", sorted((ROOT / "book").glob("chapter*.md")), ids=lambda p: p.stem)
def test_a_term_is_linked_where_a_chapter_uses_it_first(path: Path):
    text = path.read_text(encoding="utf-8")
    missing = []
    for names in LINKS["entries"](GLOSSARY_TEXT):
        if (place := unlinked(text, names)) and names[0] not in OTHERWISE.get(path.stem, set()):
            around = text[max(0, place.start() - 40) : place.end() + 20].replace("\n", " ")
            missing.append(f"{names[0]}: …{around}…")
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("path", sorted((ROOT / "book").glob("*.md")), ids=lambda p: p.stem)
def test_every_term_is_in_the_glossary(path: Path):
    known = {name.lower() for names in LINKS["entries"](GLOSSARY_TEXT) for name in names}
    roles = re.findall(r"\{term\}`([^`]+)`", path.read_text(encoding="utf-8"))
    used = {re.sub(r"^.*<([^<>]+)>$", r"\1", " ".join(role.lower().split())) for role in roles}
    assert used - known == set()


def test_a_use_before_the_link_is_found():
    assert unlinked("Kernels. A kernel is", ["kernel"]).start() == 11
    assert unlinked("A {term}`kernel` or a kernel", ["kernel"]) is None
    assert unlinked("A {term}`window <kernel>` or a kernel", ["kernel"]) is None
    assert unlinked("A kernel or a {term}`kernel`", ["kernel"]).start() == 2
    assert unlinked("# A kernel\n\nin `kernel` or [a kernel](kernel.md)", ["kernel"]) is None


SMALL_GLOSSARY = """:sorted:

noise
  What differs.

read noise
  Of the camera. See {term}`noise`.

average precision
AP
  Objects found.

Otsu's threshold
  A grey value.
"""


def linked(text: str, page: str = "notebooks/chapter00") -> list[tuple[str, str]]:
    """Return the links that a page in reStructuredText gets: word and entry."""
    tree = publish_doctree(text)
    before = tree.astext()
    LINKS["link_terms"](tree, SMALL_GLOSSARY, page)
    assert tree.astext() == before  # nobody loses a word
    return [(link.astext(), link["reftarget"]) for link in tree.findall(pending_xref)]


def test_the_first_use_in_a_notebook_is_linked():
    assert linked("A noise, two noises.") == [("noise", "noise")]
    assert linked("Noises and read noise.") == [("Noises", "noise"), ("read noise", "read noise")]
    assert linked("The AP is average precision.") == [("AP", "AP")]  # two names of one entry
    assert linked("noisy, noise-free, denoise, ap, APs") == [("APs", "AP")]
    assert linked("By Otsu’s threshold.") == [("Otsu’s threshold", "Otsu's threshold")]


def test_titles_code_and_links_of_a_notebook_stay_as_they_are():
    assert linked("Noise\n=====\n\nIn ``noise``, in `noise <https://example.org>`__.") == []
    assert linked("Noise\n=====\n\nText.\n\n- *noise* in a list") == [("noise", "noise")]


def test_a_word_that_means_something_else_on_a_page_is_left_alone(monkeypatch):
    monkeypatch.setitem(LINKS["OTHERWISE"], "noise", "chapter00 chapter99")
    assert linked("A noise.") == []
    assert linked("A noise.", "notebooks/chapter98") == [("noise", "noise")]


def test_words_that_mean_something_else_are_terms_and_their_pages_exist():
    known = {names[0] for names in LINKS["entries"](GLOSSARY_TEXT)}
    assert LINKS["OTHERWISE"].keys() <= known
    pages = {page for pages in LINKS["OTHERWISE"].values() for page in pages.split()}
    assert pages <= {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


@pytest.mark.book
def test_every_notebook_links_terms_on_its_page(built: Path):
    for path in sorted((built / "notebooks").glob("*.html")):
        text = path.read_text(encoding="utf-8")
        assert 'id="use-term-' in text, path.name
        assert 'popover="manual"' in text, path.name
