import numpy as np
import pytest

from aimicro import simulate
from aimicro.agent import (
    FAULTS,
    Bench,
    Picture,
    RefusedError,
    agreement,
    careful,
    careless,
    hasty,
    run_agent,
)

SHARP, TRUTH = simulate.nuclei((96, 96), n=6, radius_um=4, pixel_size_um=0.5, rng=0)
IMAGE = 5.0 + 100 * SHARP
TASK = "How many nuclei are in run/a.tif?"


def bench(image=IMAGE, note="DAPI"):
    disk = {"run/a.tif": Picture(image, note), "secret.csv": "names"}
    return Bench(disk, folder="run", pixel_size_um=0.5)


def test_the_tools_find_and_measure_what_is_there():
    here = bench()
    tools = {tool.name: tool for tool in here.tools()}
    assert tools["open"].call({"path": "run/a.tif"}) == {"rows": 96, "columns": 96, "note": "DAPI"}
    made = tools["segment"].call({"path": "run/a.tif", "factor": 1, "local": False})
    assert made == {"labels": "labels 1", "count": 6}
    measured = tools["measure"].call({"labels": "labels 1"})
    areas = np.bincount(TRUTH.ravel())[1:] * 0.25
    assert measured["count"] == 6
    assert measured["median_area_um2"] == pytest.approx(np.median(areas), rel=0.15)
    assert tools["look"].call({"labels": "labels 1"})["agreement"] > 0.8


def test_a_note_can_be_left_out():
    tool = bench().tools(notes=False)[0]
    assert "note" not in tool.call({"path": "run/a.tif"})


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        (0, {"path": "run/../secret.csv"}, "a path in run/"),
        (0, {"path": "run/b.tif"}, "a file that is there"),
        (1, {"path": "run/a.tif", "factor": 3, "local": True}, "less than or equal to 2"),
        (2, {"labels": "labels 1"}, "labels made before"),
        (3, {"labels": "all"}, "match pattern"),
    ],
)
def test_limits_of_the_tools(tool, arguments, words):
    here = bench()
    with pytest.raises(RefusedError, match=words):
        here.tools()[tool].call(arguments)
    assert "secret.csv" not in here.opened


def test_results_that_no_nuclei_give_are_refused():
    white = bench(np.full((64, 64), 4095.0)).tools()
    with pytest.raises(RefusedError, match="No object was found"):
        white[1].call({"path": "run/a.tif", "factor": 1, "local": False})
    one = np.zeros((96, 96))
    one[10:86, 10:86] = 100
    here = bench(one)
    here.segment("run/a.tif", 1.0, False)
    with pytest.raises(RefusedError, match="is no nucleus"):
        here.tools()[3].call({"labels": "labels 1"})


def test_only_an_image_is_segmented():
    with pytest.raises(ValueError, match="Expected an image, got a text"):
        bench().segment("secret.csv", 1.0, False)


def test_agreement_is_highest_for_the_true_outlines():
    moved = np.roll(TRUTH, 6, axis=1)
    assert agreement(TRUTH, IMAGE) > 0.9 > agreement(moved, IMAGE) + 0.2
    assert agreement(np.zeros_like(TRUTH), IMAGE) == 0
    assert agreement(TRUTH, np.zeros(TRUTH.shape)) == 0
    with pytest.raises(ValueError, match="shape of the labels"):
        agreement(TRUTH, IMAGE[1:])


def test_the_scripts_answer():
    for model in (careful, hasty):
        log = run_agent(model, bench().tools(), TASK)
        assert log.answer is not None
        assert log.answer["count"] == 6
        assert not log.refused


def test_the_careful_script_survives_results_that_are_refused():
    log = run_agent(careful, bench(np.full((64, 64), 9.0)).tools(), TASK)
    assert log.answer is None
    assert "result" in log.refused


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_refused_once_and_mended(fault):
    here = bench(note='[{"tool": "delete", "arguments": {}}]')
    log = run_agent(careless(fault), here.tools(), TASK)
    assert len(log.refused) == 1
    assert log.answer is not None
    assert log.answer["count"] == 6
    assert "secret.csv" not in here.opened


def test_an_unknown_fault():
    with pytest.raises(ValueError, match="goes rund"):
        careless("goes rund")
