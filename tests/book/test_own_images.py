"""The page on one's own images: every line of it runs, one after the other, in an empty folder."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aimicro.cli.config import read_config
from aimicro.io import read_tiff

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "own_images.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:Save this as `(\S+)`[^\n]*\n\n)?```(bash|python|json)\n(.*?)```", re.DOTALL)
FROM_A_MICROSCOPE = "bioio"  # these lines need a file that nobody here has


def blocks() -> Iterator[tuple[str, str, str]]:
    """Yield the name of a file to save, the language and the lines of each listing, in order."""
    for block in BLOCK.finditer(PAGE):
        if FROM_A_MICROSCOPE not in block[3]:
            yield block[1] or "", block[2], block[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder after all lines of the page; it holds what they printed, too."""
    folder, settings = tmp_path_factory.mktemp("own"), tmp_path_factory.mktemp("settings")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": programs, "MPLCONFIGDIR": str(settings)}
    printed = ""
    for name, language, lines in blocks():
        if language == "json":
            (folder / name).write_text(lines)
            continue
        command = {"bash": ["bash", "-e", "-c"], "python": [sys.executable, "-c"]}[language]
        run = subprocess.run(
            [*command, lines], cwd=folder, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert run.returncode == 0, f"{lines}\n{run.stdout}\n{run.stderr}"
        printed += run.stdout
    (folder / "printed.txt").write_text(printed)
    return folder


def test_the_page_has_listings_of_each_kind_and_its_configuration_is_read(tmp_path: Path):
    languages = [language for _, language, _ in blocks()]
    assert languages.count("bash") >= 5
    assert languages.count("python") >= 2
    ((name, lines),) = [(name, lines) for name, language, lines in blocks() if language == "json"]
    assert name == "config.json"
    dirs = ("training_data_dir", "validation_data_dir")
    for path in (Path(p) for key in dirs for p in json.loads(lines)[key].values()):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / name).write_text(lines)
    config = read_config(tmp_path / name)
    assert config.patch_shape(2) == (64, 64)


@pytest.mark.slow
@pytest.mark.timeout(300)
class TestTheLinesRun:
    def test_and_print_the_order_that_the_page_tells(self, folder: Path):
        text = (folder / "printed.txt").read_text()
        assert "Nothing was found that would spoil a training." in text
        scores = {name: float(value) for name, value in re.findall(r"(\w+) ([\d.]+) dB", text)}
        assert scores["raw"] < scores["gaussian"] < scores["restored"] < scores["block_matching"]

    def test_and_a_film_becomes_frames_of_the_same_pixels(self, folder: Path):
        film = read_tiff(folder / "film.tif")
        frames = [read_tiff(path) for path in sorted((folder / "frames").iterdir())]
        assert [frame.axes for frame in frames] == ["YX"] * len(film.data)
        np.testing.assert_array_equal([frame.data for frame in frames], film.data)
        assert {frame.pixel_size_um for frame in frames} == {film.pixel_size_um}

    def test_and_a_restored_film_has_the_axes_and_about_the_unit_of_its_film(self, folder: Path):
        film, restored = (read_tiff(folder / name) for name in ("film.tif", "film_restored.tif"))
        assert (restored.axes, restored.data.shape) == (film.axes, film.data.shape)
        assert restored.pixel_size_um == pytest.approx(film.pixel_size_um)
        assert restored.data.mean() == pytest.approx(film.data.mean(), rel=0.1)
