"""What is clicked arrives as a correction, and what went wrong is said."""

import re

import numpy as np
import pytest
from skimage.measure import label

from aimicro.lab import LabellingLab

pytest.importorskip("anywidget", reason="needs the extra labelling")

IMAGE = np.zeros((20, 30), np.float32)
IMAGE[3:9, 3:9] = IMAGE[3:9, 14:28] = 10.0


@pytest.fixture
def lab() -> LabellingLab:
    return LabellingLab(
        [IMAGE, IMAGE.T], lambda image: label(image > 5), lambda images, labels, progress: None
    )


def click(lab: LabellingLab, do: str, *places: tuple[float, float]) -> None:
    lab.widget()._handle_custom_msg({"do": do, "places": list(places)}, [])


def test_the_page_is_told_all_it_draws(lab: LabellingLab):
    widget = lab.widget()
    assert widget is lab.widget()
    assert widget.picture.startswith("data:image/png;base64,")
    assert widget.outlines == [(1, "M3 3L9 3L9 9L3 9Z"), (2, "M14 3L28 3L28 9L14 9Z")]
    assert (widget.state["height"], widget.state["width"], widget.state["objects"]) == (20, 30, 2)
    assert widget.fraction == -1


def test_a_hole_is_a_ring_of_the_same_path(lab: LabellingLab):
    ring = np.ones((3, 3), int)
    ring[1, 1] = 0
    lab = LabellingLab([ring], lambda image: ring, lambda *seen: None)
    ((number, path),) = lab.widget().outlines
    assert (number, path.count("M"), path.count("Z")) == (1, 2, 2)


def test_clicks_and_strokes_are_corrections(lab: LabellingLab):
    click(lab, "remove", (5, 5))
    click(lab, "add", (11, 2), (11, 8), (17, 8), (17, 2))
    click(lab, "cut", (0, 20.5), (12, 20.5))
    click(lab, "join", (5, 16), (5, 25))
    click(lab, "undo")
    assert lab.effort.total == 4
    assert lab.effort.undone == 1
    assert lab.widget().state["objects"] == len(np.unique(lab.labels)) - 1 == 3
    click(lab, "next")
    assert lab.field == 1
    click(lab, "previous")
    assert lab.field == 0


@pytest.mark.parametrize(
    ("do", "places", "message"),
    [
        ("remove", [(0, 0)], "got background"),
        ("add", [(0, 0)], "got one click"),
        ("cut", [(0, 0), (1, 1)], "through background"),
        ("previous", [], "a field from 1"),
        ("undo", [], "to undo"),
    ],
)
def test_what_cannot_be_done_is_said_on_the_page(lab: LabellingLab, do, places, message: str):
    click(lab, do, *places)
    assert message in lab.widget().state["message"]
    assert lab.effort.total == 0


def test_what_is_done_in_python_is_seen_on_the_page(lab: LabellingLab):
    widget = lab.widget()
    lab.remove((5, 5))
    assert len(widget.outlines) == 1


def test_the_page_sees_the_progress_of_teaching(lab: LabellingLab):
    fractions = []
    lab.widget().observe(lambda change: fractions.append(change.new), "fraction")

    def learn(images, labels, progress):
        progress(0.5)
        progress(7)

    lab._learn = learn
    click(lab, "teach")
    assert fractions == [0, 0.5, 1, -1]
    assert lab.field == 1


def test_a_teaching_that_breaks_is_told_and_ends(lab: LabellingLab):
    def learn(images, labels, progress):
        raise RuntimeError("out of memory")

    lab._learn = learn
    click(lab, "teach")
    assert lab.widget().state["message"] == "out of memory"
    assert lab.widget().fraction == -1


def test_saving_from_the_page_replaces_nothing(lab: LabellingLab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    click(lab, "save")
    assert (tmp_path / "labels" / "field_1.tif").is_file()
    click(lab, "save")
    assert "Nothing was written" in lab.widget().state["message"]


def test_a_notebook_gets_the_widget_and_a_picture_for_where_it_is_dead(lab: LabellingLab):
    data, _ = lab._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "A picture of the lab" in data["text/html"]
    assert "A labelling lab: Field 1 of 2" in data["text/plain"]


def test_the_page_asks_nobody_for_anything(lab: LabellingLab):
    state = lab.widget().get_state()
    assert len(state["_esm"].splitlines()) < 150
    assert not re.search(r"https?:|\bimport\b|\bfetch\b|url\(", state["_esm"] + state["_css"])
