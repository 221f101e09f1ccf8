"""Terms: their definitions beside them, and their uses in the glossary."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TERMS = runpy.run_path(str(ROOT / "book" / "_ext" / "terms.py"))
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


def test_what_an_earlier_build_left_goes_without_a_trace():
    page = f"{PAGE}</article>"
    hinted, _ = TERMS["hinted"](page, TERMS["definitions"](GLOSSARY), "let x;")
    uses = TERMS["with_uses"](GLOSSARY, {"term-IoU": [("a.html", "A")]})
    assert TERMS["OURS"].sub("", hinted) == page
    assert TERMS["OURS"].sub("", uses) == GLOSSARY


def entries() -> list[list[str]]:
    """Return the names of each entry of the glossary."""
    body = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8").split(":sorted:")[1]
    blocks = [block.split("\n") for block in re.split(r"\n\s*\n", body)]
    names = [[line for line in block if line and line[0] not in " `"] for block in blocks]
    return [block for block in names if block]


OTHERWISE = {  # where a word stands for something else than the glossary's
    "chapter01_introduction": {"weight"},  # the weight lies on
    "chapter04_architectures": {"residual"},  # a layer with a short cut
    "chapter05_training_data": {"batch", "mask", "weight"},  # of slides; to cover; of examples
    "chapter06_restoration": {"weight"},  # how much weight a channel deserves
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
    for names in entries():
        if (place := unlinked(text, names)) and names[0] not in OTHERWISE.get(path.stem, set()):
            around = text[max(0, place.start() - 40) : place.end() + 20].replace("\n", " ")
            missing.append(f"{names[0]}: …{around}…")
    assert not missing, "\n".join(missing)


def test_a_use_before_the_link_is_found():
    assert unlinked("Kernels. A kernel is", ["kernel"]).start() == 11
    assert unlinked("A {term}`kernel` or a kernel", ["kernel"]) is None
    assert unlinked("A {term}`window <kernel>` or a kernel", ["kernel"]) is None
    assert unlinked("A kernel or a {term}`kernel`", ["kernel"]).start() == 2
    assert unlinked("# A kernel\n\nin `kernel` or [a kernel](kernel.md)", ["kernel"]) is None
