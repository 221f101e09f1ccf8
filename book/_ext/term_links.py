"""Link the terms of the glossary where a notebook uses them first.

Chapters link their terms by hand. A notebook is also read where nobody knows what ``{term}`` means:
on Colab, in JupyterLab, in an editor. So its text stays plain, and the links are put into its page.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

# Where a word stands for something else than the glossary's: pages by term.
OTHERWISE = {
    "batch": "chapter10_how_sure",  # of slides
    "calibration": "appendixA_deconvolution appendixA_denoising chapter06_self_supervised",
    "channel": "chapter03_agent_loop",  # by which words come in
    "gain": (  # to win
        "appendixA_aberration appendixA_denoising appendixA_guidance appendixA_network "
        "appendixA_resolution chapter06_deep_deconvolution chapter06_denoising "
        "chapter06_self_supervised chapter06_when_restoration_lies chapter07_adaptive "
        "chapter09_labelling_lab "
        "chapter09_promptable chapter09_threshold_to_unet chapter09_training_well "
        "chapter10_how_sure chapter10_tracking"
    ),
    "kernel": "chapter09_labelling_lab",  # the one that runs a notebook
    "label image": "chapter03_image_and_text",  # to give them names
    "loss": "chapter06_image_formation",  # of light
    "mask": "chapter03_attention_by_hand chapter04_attention",  # to cover
    "model": "chapter06_aberration chapter06_image_formation chapter06_isotropic",  # a formula
    "offset": "appendixA_denoising appendixA_guidance appendixA_resolution",  # of a straight line
    "pooling": "chapter10_matching_and_ap",  # of counts
    "seed": "chapter09_finetuning chapter09_stardist chapter09_threshold_to_unet",  # of an object
    "threshold": (  # of overlap, of a column, of a share, of a probability
        "appendixA_denoising appendixA_guidance appendixA_resolution "
        "chapter02_with_and_without_labels chapter09_cellpose chapter09_stardist "
        "chapter10_matching_and_ap"
    ),
    "tile": "chapter06_isotropic chapter09_finetuning chapter09_training_well",  # flat; a share
    "weight": "chapter05_pitfalls chapter06_classical_deconvolution",  # of examples; of a penalty
}
# Text here is no running text: titles, code and formulas, what is a link already, what code shows.
NO_PROSE = (
    *(nodes.title, nodes.literal, nodes.literal_block, nodes.math, nodes.math_block),
    *(nodes.reference, pending_xref, nodes.raw),
)


def entries(glossary: str) -> list[list[str]]:
    """Return the names of each entry of a glossary in Markdown, the first one being its own."""
    blocks = [block.split("\n") for block in re.split(r"\n\s*\n", glossary.split(":sorted:")[1])]
    names = [[line for line in block if line and line[0] not in " `"] for block in blocks]
    return [block for block in names if block]


def spelling(name: str) -> str:
    """Return the pattern of a name: at the start of a sentence, in the plural, with ’ for '."""
    first = f"[{name[0].upper()}{name[0]}]" if name[0].islower() else re.escape(name[0])
    return f"{first}{re.escape(name[1:])}s?".replace("'", "['’]")


def pattern(names: list[str]) -> re.Pattern[str]:
    """Return a pattern of all names, the longest first: *read noise* is no *noise*."""
    longest = sorted(names, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(spelling, longest))})(?![\w-])")


def link(word: str, name: str, page: str) -> pending_xref:
    """Return a link from a word to an entry of the glossary."""
    return pending_xref(
        "",
        nodes.inline("", word, classes=["xref", "std", "std-term"]),
        refdoc=page,
        refdomain="std",
        reftype="term",
        reftarget=name,
        refexplicit=True,
        refwarn=True,
    )


def link_terms(tree: nodes.document, glossary: str, page: str) -> list[str]:
    """Link each term of a page where it stands first; return the terms."""
    own = {name: names[0] for names in entries(glossary) for name in names}
    spelt = {word: name for name in own for word in (name, name[0].upper() + name[1:])}
    known, linked = pattern(list(own)), []
    for text in list(tree.findall(nodes.Text)):
        above, parent = text.parent, text.parent
        while parent is not None and not isinstance(parent, NO_PROSE):
            parent = parent.parent
        if parent is not None:
            continue
        parts, end, plain = [], 0, text.astext()
        for found in known.finditer(plain):
            word = found[0].replace("’", "'")
            name = spelt.get(word) or spelt[word[:-1]]  # plural
            term = own[name]
            if term in linked or Path(page).name in OTHERWISE.get(term, "").split():
                continue
            linked.append(term)
            parts += [nodes.Text(plain[end : found.start()]), link(found[0], name, page)]
            end = found.end()
        if parts:
            above.replace(text, [*parts, nodes.Text(plain[end:])])
    return linked


def explain_notebook(app: Sphinx, tree: nodes.document) -> None:
    """Link the terms of a notebook's page."""
    page = app.env.docname
    if page.startswith("notebooks/"):
        path = Path(app.srcdir) / "book" / "glossary.md"
        app.env.note_dependency(str(path))
        link_terms(tree, path.read_text(encoding="utf-8"), page)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("doctree-read", explain_notebook)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
