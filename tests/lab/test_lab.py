"""The lab keeps labels, counts and fields in order, with a screen or without."""

import subprocess
import sys

import numpy as np
import pytest
from skimage.measure import label

from aimicro.io import read_tiff
from aimicro.lab import Effort, LabellingLab

IMAGE = np.zeros((24, 32), np.float32)
IMAGE[3:9, 3:9] = IMAGE[3:9, 14:28] = 10.0


class Network:
    """Finds what is brighter than it learned to."""

    def __init__(self) -> None:
        self.above, self.seen = 5.0, []

    def predict(self, image):
        return label(image > self.above)

    def learn(self, images, labels, progress):
        self.seen = [
            (image.copy(), each.copy()) for image, each in zip(images, labels, strict=True)
        ]
        for step in (0.5, 1):
            progress(step)
        self.above = 100.0


class Clock:
    """Each look is five seconds later."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 5
        return self.now


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def lab(network: Network) -> LabellingLab:
    return LabellingLab([IMAGE, IMAGE.T], network.predict, network.learn, clock=Clock())


def test_each_tool_corrects_and_is_counted(lab: LabellingLab):
    lab.cut([(0, 20.5), (12, 20.5)])
    lab.join((5, 16), (5, 26))
    lab.remove((5, 5))
    lab.add([(12, 2), (12, 6), (16, 6), (16, 2)])
    assert np.unique(lab.labels).tolist() == [0, 2, 3]
    assert lab.effort == Effort(1, 1, 1, 1, 0, drawn_px=12 + 16, seconds=20)
    assert lab.effort.total == 4
    assert lab.efforts[1] == Effort()
    assert "1 removed, 1 added, 1 cut, 1 joined, 0 undone; 20 s" in repr(lab)


def test_undo_goes_back_to_the_prediction_and_no_further(lab: LabellingLab, network: Network):
    lab.remove((5, 5))
    lab.remove((5, 20))
    lab.undo()
    lab.undo()
    assert np.array_equal(lab.labels, network.predict(IMAGE))
    assert (lab.effort.removed, lab.effort.undone) == (2, 2)
    with pytest.raises(ValueError, match="to undo, got none"):
        lab.undo()


def test_a_tool_that_fails_changes_and_counts_nothing(lab: LabellingLab):
    before = lab.labels
    with pytest.raises(ValueError, match="got background"):
        lab.remove((0, 0))
    assert lab.labels is before
    assert lab.effort == Effort()


def test_a_pause_is_no_work(network: Network):
    times = iter([0, 0, 1000, 1004])
    lab = LabellingLab([IMAGE], network.predict, network.learn, clock=lambda: next(times))
    lab.remove((5, 5))
    lab.undo()
    assert lab.effort.seconds == 34


def test_the_time_of_teaching_is_nobodys_work(network: Network):
    clock = Clock()

    def learn(images, labels, progress):
        clock.now += 20

    lab = LabellingLab([IMAGE], network.predict, learn, clock=clock)
    lab.teach()
    lab.remove((5, 5))
    assert lab.effort.seconds == 5


def test_each_field_keeps_its_labels_and_its_past(lab: LabellingLab):
    lab.remove((5, 5))
    lab.next()
    assert lab.labels.shape == (32, 24)
    with pytest.raises(ValueError, match="to undo"):
        lab.undo()
    lab.previous()
    assert np.unique(lab.labels).tolist() == [0, 2]
    for beyond in (lab.previous, lambda: [lab.next(), lab.next()]):
        with pytest.raises(ValueError, match="a field from 1 to 2"):
            beyond()


def test_teaching_hands_over_what_was_shown_and_shows_the_next_field(lab, network):
    fractions = []
    lab.watchers.append(lambda: fractions.append(lab.fraction))
    lab.remove((5, 5))
    lab.teach()
    ((image, labels),) = network.seen
    assert np.array_equal(image, IMAGE)
    assert np.unique(labels).tolist() == [0, 2]
    assert fractions[:4] == [None, 0, 0.5, 1]
    assert lab.fraction is None
    assert lab.field == 1
    assert not lab.labels.any()  # as the network sees it now
    lab.teach()
    assert len(network.seen) == 2
    assert "No field is left" in lab.message


def test_after_a_teaching_that_fails_one_can_go_on(network: Network):
    def learn(images, labels, progress):
        raise ValueError("Expected more labels, got few. Draw some.")

    lab = LabellingLab([IMAGE], network.predict, learn)
    fractions = []
    lab.watchers.append(lambda: fractions.append(lab.fraction))
    with pytest.raises(ValueError, match="Draw some"):
        lab.teach()
    assert fractions == [0, None]
    assert lab.message == "Nothing was learned."
    lab.remove((5, 5))


def test_a_click_grows_an_object(network: Network):
    def grow(image, place):
        assert place == (20, 20)
        return np.hypot(*(np.indices(image.shape) - 20)) < 3

    lab = LabellingLab([IMAGE], network.predict, network.learn, grow=grow)
    lab.grow((20, 20))
    assert (lab.labels == 3).sum() == 25
    assert lab.effort.added == 1
    with pytest.raises(ValueError, match="got one click"):
        LabellingLab([IMAGE], network.predict, network.learn).grow((20, 20))


def test_labels_are_saved_and_nothing_is_overwritten_unasked(lab, tmp_path):
    lab.remove((5, 5))
    (path,) = lab.save(tmp_path / "new")
    assert path == tmp_path / "new" / "field_1.tif"
    assert np.array_equal(read_tiff(path).data, lab.labels)
    lab.remove((5, 20))
    lab.next()
    with pytest.raises(FileExistsError, match=r"got field_1.tif. Nothing was written"):
        lab.save(tmp_path / "new")
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["field_1.tif"]
    assert read_tiff(path).data.any()
    assert len(lab.save(tmp_path / "new", overwrite=True)) == 2
    assert not read_tiff(path).data.any()


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        ([], {}, "an image or more"),
        ([IMAGE, IMAGE], {"names": ["a", "a"]}, "got 2 images and 1 different names"),
        ([IMAGE[None]], {}, "Expected images"),
    ],
)
def test_a_lab_needs_fields(network, images, options, message: str):
    with pytest.raises(ValueError, match=message):
        LabellingLab(images, network.predict, network.learn, **options)


@pytest.mark.parametrize("found", [np.zeros((3, 3), int), np.zeros((24, 32))])
def test_predict_must_return_labels_of_the_image(network, found):
    with pytest.raises((TypeError, ValueError), match="predict"):
        LabellingLab([IMAGE], lambda image: found, network.learn)


def test_the_picture_tells_what_the_screen_would(lab: LabellingLab):
    figure = lab.picture(caption="Notice.")
    assert "Field 1 of 2, 2 objects" in figure.alt
    assert "Outlines of 2 objects" in figure.html
    assert "Notice." in figure.html


def test_nothing_of_the_screen_is_imported_before_it_is_asked_for():
    code = (
        "import sys, aimicro.lab\n"
        "assert not {'anywidget', 'ipywidgets', 'torch'} & sys.modules.keys()\n"
        "sys.modules['anywidget'] = None\n"
        "lab = aimicro.lab.LabellingLab([[[0, 1]]], lambda i: i.astype(int), print)\n"
        "assert 'pip install' in lab._repr_mimebundle_()['text/html']\n"
        "try: lab.widget()\n"
        "except ModuleNotFoundError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "pip install anywidget" in run.stdout
