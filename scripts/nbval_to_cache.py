"""Keep what nbval saw: the outputs of a notebook that passed go into the cache of the book.

A plugin of pytest. nbval runs the cells and forgets what came out of them; here they are gathered,
with the seconds and the memory that the notebook took and the reference work of the same minutes.
The book is then built from the cache (myst-nb), so that the page a reader sees is the test that
passed. A notebook with a failed cell is not kept.
"""

import copy
import threading
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import psutil
import pytest
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from nbformat import NotebookNode

from aimicro.cli.reference_work import reference_seconds


def neighbours_joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join what was written to one stream without a pause; nbval moves text before figures."""
    new = []
    for (kind, _), group in groupby(outputs, lambda o: (o.output_type, o.get("name"))):
        parts = list(group)
        if kind == "stream":
            parts = [NotebookNode({**parts[0], "text": "".join(part.text for part in parts)})]
        new += parts
    return new


def filled(notebook: NotebookNode, outputs: list[list[NotebookNode] | None]) -> NotebookNode:
    """Return a copy of a notebook with the outputs of its code cells; None: it was not run."""
    notebook = copy.deepcopy(notebook)
    count = 0
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, found in zip(cells, outputs, strict=True):
        cell.outputs = copy.deepcopy(found or [])
        if found is None:
            continue
        count += 1
        cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
    # As the kernel says of itself: lines with ! and % are no plain Python.
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    nbformat.validate(notebook)
    return notebook


class PeakMemory(threading.Thread):
    """Watches the resident bytes of all that this process has started: here, the kernel."""

    def __init__(self, every_s: float = 0.25) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._every_s = every_s

    def run(self) -> None:
        """Look again and again until the program ends."""
        while True:
            self.peak = max(self.peak, sum(map(self._resident, psutil.Process().children(True))))
            time.sleep(self._every_s)

    @staticmethod
    def _resident(process: psutil.Process) -> int:
        try:
            return process.memory_info().rss
        except psutil.NoSuchProcess:
            return 0


class Recorder:
    """Puts every notebook that passed into ``cache``, under the path it has in ``sources``.

    The ``value`` of ``latest`` is handed from notebook to notebook, also to another process: the
    seconds of the reference work after the last one are those before the next.
    """

    def __init__(self, cache: JupyterCacheAbstract, sources: Path, latest: Any = None) -> None:
        self.cache, self.sources = cache, sources
        self.latest = latest or SimpleNamespace(value=0.0)
        self.failed: set[pytest.Collector] = set()
        self.items: dict[pytest.Collector, list[Any]] = {}
        self.memory = PeakMemory()
        self.memory.start()
        self.began, self.before = 0.0, 0.0
        self.seconds: dict[Any, float] = {}

    def pytest_configure(self) -> None:
        """Let nbval keep text where it was written; pytest must be the first to import it."""
        import nbval.plugin

        nbval.plugin.coalesce_streams = neighbours_joined

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Note the cells of each notebook."""
        for item in items:
            self.items.setdefault(item.parent, []).append(item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: Any) -> None:
        """Start the clock before the kernel; leave out what follows a failure."""
        if item.parent in self.failed:
            pytest.skip("an earlier cell failed")
        if item is self.items[item.parent][0]:
            self.before = self.latest.value or reference_seconds()
            self.began, self.memory.peak = time.monotonic(), 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: Any) -> Iterator[None]:
        """Time a cell."""
        start = time.monotonic()
        try:
            return (yield)
        finally:
            self.seconds[item] = time.monotonic() - start

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: Any) -> Iterator[None]:
        """Note a failure, and make one of an output that nbval would lose."""
        report = yield
        if "unhandled iopub msg" in report.capstdout:
            report.outcome = "failed"
            report.longrepr = (
                "Expected outputs that only follow each other, got one that changes an earlier one "
                f"({report.capstdout.strip()}). Print or draw once, when the result is there."
            )
        if report.failed:
            self.failed.add(item.parent)
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: Any, nextitem: Any) -> None:
        """Keep the notebook after its last cell."""
        if nextitem is not None and nextitem.parent is item.parent:
            return
        seconds = time.monotonic() - self.began
        self.latest.value = after = reference_seconds()
        if item.parent in self.failed:
            return
        measured = {
            "execution_seconds": seconds,
            "reference_seconds": (self.before + after) / 2,
            "peak_bytes": self.memory.peak,
            # Not in the cells: by their metadata, too, the cache knows a notebook again.
            "cell_seconds": [round(self.seconds.get(one, 0), 2) for one in self.items[item.parent]],
        }
        outputs = [cell.test_outputs for cell in self.items[item.parent]]
        notebook = filled(item.parent.nb, outputs)
        bundle = CacheBundleIn(notebook, str(self.sources / item.parent.path.name), data=measured)
        self.cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
