"""In a real JupyterLab, labels are corrected with the mouse, and with keys alone."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, TimeoutError

pytestmark = pytest.mark.browser

# Three squares of 12 pixels; taught, the network finds the third field's only.
CODE = """
import numpy as np
from aimicro.lab import LabellingLab
image = np.zeros((60, 80), np.float32)
image[10:22, 10:22] = image[10:22, 40:52] = image[30:42, 10:22] = 10
taught = []
def predict(field):
    from skimage.measure import label
    return label(field > 5)
def learn(images, labels, progress):
    for part in range(5):
        progress(part / 5)
    taught.append([int(np.unique(each).size) - 1 for each in labels])
lab = LabellingLab([image, image.T], predict, learn)
lab
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a notebook in a JupyterLab that knows no settings of anybody."""
    home = tmp_path_factory.mktemp("jupyter")
    work = home / "work"
    work.mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE.strip())])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, work / "lab.ipynb")
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    news = {"fetchNews": "false", "checkForUpdates": False}  # it would ask whether to show some
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(news))
    port = free_port()
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    places = {name: str(home / name.lower()) for name in names}
    options = [
        f"--ServerApp.port={port}",
        f"--ServerApp.root_dir={work}",
        "--IdentityProvider.token=",
        "--ServerApp.open_browser=False",
        "--allow-root",
        "--LabApp.extension_manager=readonly",
        f"--LabApp.user_settings_dir={home / 'settings'}",
        f"--LabApp.workspaces_dir={home / 'workspaces'}",
    ]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            stdout=log,
            stderr=log,
            env={**os.environ, **places},
        )
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(lambda: answers(f"{address}/api/status"), home / "log")
            yield f"{address}/lab/tree/lab.ipynb?reset"
        finally:
            server.terminate()
            server.wait(20)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def wait_for(ready: Callable[[], bool], log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            pytest.fail(f"Expected a server within {seconds} s. {log.read_text()[-2000:]}")
        time.sleep(0.2)


@pytest.fixture(scope="module")
def notebook(jupyter: str, browser: Browser) -> Iterator[Page]:
    """The notebook after its cell ran, with a list of what it asked others for."""
    context = browser.new_context(viewport={"width": 1100, "height": 1000})
    page = context.new_page()
    page.foreign = []  # type: ignore[attr-defined]
    page.on("request", lambda r: page.foreign.append(r.url) if "127.0.0.1" not in r.url else None)  # type: ignore[attr-defined]
    page.goto(jupyter)
    ready = ".jp-Notebook-ExecutionIndicator[data-status='idle']"
    page.locator(ready).wait_for(state="attached", timeout=60_000)
    run_cell(page)
    try:
        page.locator(".aim-lab canvas").wait_for(timeout=60_000)
    except TimeoutError:
        shown = page.locator(".jp-Notebook").inner_text()
        pytest.fail(f"Expected a lab under the cell, got this notebook after 60 s:\n{shown}")
    yield page
    context.close()


def run_cell(page: Page, times: int = 6) -> None:
    """Run the cell, again where nothing began: before its kernel listens, JupyterLab forgets it."""
    waits = page.locator(".jp-InputPrompt", has_text="[ ]:")
    for _ in range(times):
        page.locator(".jp-Notebook .cm-content").first.click(timeout=60_000)
        page.keyboard.press("Control+Enter")
        try:
            waits.wait_for(state="detached", timeout=10_000)
        except TimeoutError:
            continue
        return
    pytest.fail(f"Expected a cell that runs after {times} times Control+Enter, got none.")


@pytest.fixture
def lab(notebook: Page) -> Locator:
    """A fresh lab: the cell runs anew."""
    notebook.locator(".jp-Notebook .cm-content").first.click()
    notebook.evaluate("document.querySelector('.aim-lab').classList.add('old')")
    notebook.keyboard.press("Control+Enter")
    found = notebook.locator(".aim-lab:not(.old)")
    found.locator("canvas").wait_for()
    said(found, "field_1: 3 objects.")
    return found


def said(lab: Locator, text: str) -> None:
    lab.locator("p[role=status]", has_text=text).wait_for(timeout=10_000)


def counted(lab: Locator, text: str) -> None:
    lab.locator("p", has_text=text).last.wait_for(timeout=10_000)


def at(lab: Locator, y: float, x: float) -> tuple[float, float]:
    box = lab.locator("canvas").bounding_box()
    assert box is not None
    return box["x"] + box["width"] * x / 80, box["y"] + box["height"] * y / 60


def press(lab: Locator, name: str) -> None:
    lab.get_by_role("button", name=name).click()


def drag(lab: Locator, *places: tuple[float, float]) -> None:
    mouse = lab.page.mouse
    mouse.move(*at(lab, *places[0]))
    mouse.down()
    for place in places[1:]:
        mouse.move(*at(lab, *place), steps=4)
    mouse.up()


def test_the_mouse_removes_adds_cuts_and_joins(lab: Locator):
    mouse = lab.page.mouse
    mouse.click(*at(lab, 16, 16))
    said(lab, "One removed. 2 objects now.")
    press(lab, "Add")
    drag(lab, (34, 50), (34, 70), (50, 70), (50, 50))
    said(lab, "One added. 3 objects now.")
    press(lab, "Cut")
    drag(lab, (5, 46), (27, 46))
    said(lab, "One cut. 4 objects now.")
    press(lab, "Join")
    mouse.click(*at(lab, 16, 42))
    mouse.click(*at(lab, 16, 50))
    said(lab, "One joined. 3 objects now.")
    press(lab, "Undo")
    said(lab, "Undone.")
    counted(lab, "4 corrections: 1 removed, 1 added, 1 cut, 1 joined, 1 undone")
    mouse.click(*at(lab, 55, 5))
    press(lab, "Remove")
    mouse.click(*at(lab, 55, 5))
    said(lab, "Expected an object at row 55, column 5, got background.")


def test_keys_alone_do_the_same(lab: Locator):
    keyboard, canvas = lab.page.keyboard, lab.locator("canvas")
    canvas.focus()
    keyboard.press("ArrowUp")  # the cross-hair appears in the middle: row 30, column 40
    said(lab, "Row 30, column 40, background.")
    for key in ["Shift+ArrowUp", *["ArrowUp"] * 4, *["ArrowRight"] * 5]:
        keyboard.press(key)
    said(lab, "Row 16, column 45, object 2.")
    keyboard.press("c")
    keyboard.press("Shift+ArrowUp")
    keyboard.press("Enter")
    for key in ["Shift+ArrowDown"] * 2:
        keyboard.press(key)
    keyboard.press("Enter")
    said(lab, "One cut. 4 objects now.")
    keyboard.press("a")
    for key in ["Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Enter", "Enter"]:
        keyboard.press(key)
    said(lab, "One added. 5 objects now.")
    keyboard.press("u")
    said(lab, "Undone.")
    label = canvas.get_attribute("aria-label")
    assert label is not None
    assert "Field 1 of 2 with 4 outlined objects. Tool: add." in label
    assert lab.page.locator(".jp-Notebook .jp-Cell").count() == 1  # no key reached the notebook


def test_teaching_shows_its_progress_and_the_next_field(lab: Locator):
    press(lab, "Teach")
    said(lab, "Learned from 1 field.")
    label = lab.locator("canvas").get_attribute("aria-label")
    assert label is not None
    assert label.startswith("Field 2 of 2 with 3 outlined objects.")
    assert lab.locator("progress").is_hidden()


def test_the_lab_is_accessible_and_asks_nobody(lab: Locator, notebook: Page):
    found = Axe().run(notebook, context=".aim-lab:not(.old)")
    rules = {
        each["id"]: [n["html"] for n in each["nodes"]] for each in found.response["violations"]
    }
    assert not rules, json.dumps(rules, indent=1)
    assert notebook.foreign == []  # type: ignore[attr-defined]
