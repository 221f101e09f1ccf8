"""Show of a progress bar what would remain of it on a screen: its last state.

A command that a cell runs rewrites its bar again and again, and each rewriting arrives as an output
of its own. myst-nb knows what a carriage return means, but puts a line break between outputs first.
"""

from itertools import groupby

from myst_nb.core import render
from nbformat import NotebookNode
from sphinx.application import Sphinx

overwritten_removed = render.coalesce_streams


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join what a cell wrote to one stream without a pause by another output."""
    new = []
    for (kind, _), group in groupby(outputs, lambda o: (o["output_type"], o.get("name"))):
        parts = list(group)
        if kind == "stream":
            text = "".join(part["text"] for part in parts)
            parts = [NotebookNode({**parts[0], "text": text})]
        new += parts
    return overwritten_removed(new)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    render.coalesce_streams = joined
    return {"parallel_read_safe": True, "parallel_write_safe": True}
