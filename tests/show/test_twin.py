from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup

from aimicro import show

REAL, TWIN = (SimpleNamespace(simulated=simulated) for simulated in (False, True))


def test_one_twin_is_enough_for_the_box_and_real_images_need_none():
    assert show.twin(REAL, REAL, real="the filter wins.") is None
    box = show.twin(REAL, TWIN, real="the filter wins by < 2 dB.")
    page = BeautifulSoup(box.html, "html.parser")
    note = page.select_one("figure > .aim-twin[role=note]").get_text()
    assert note.startswith("Simulated twins. This page was made without the real images")
    assert note.endswith("With the real images, the filter wins by < 2 dB.")
    assert repr(box) == note


def test_bad_input():
    with pytest.raises(ValueError, match="collections, got none"):
        show.twin(real="the filter wins.")
    with pytest.raises(ValueError, match="real to be a text, got ''"):
        show.twin(TWIN, real="")
