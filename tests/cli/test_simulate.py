import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aimicro.cli import main
from aimicro.io import read_tiff
from aimicro.simulate import Microscope
from aimicro.simulate.pairs import TASKS, simulate_pair

SMALL = ("--shape", "4,64,64")


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own, as a reader does."""
    return subprocess.run(
        [sys.executable, "-m", "aimicro", "simulate", *arguments], capture_output=True, text=True
    )


def bits(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.tif"))
    }


@pytest.fixture(scope="module")
def denoise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("denoise") / "new" / "set"
    done = simulate("--task", "denoise", "-n", "5", "-o", str(folder), *SMALL, "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert "5/5" in done.stderr  # the progress bar
    return folder


class TestDataSet:
    def test_every_split_has_raw_and_truth_of_the_same_names(self, denoise: Path) -> None:
        counts = []
        for split in ("train", "val", "test"):
            raw, truth = (
                {path.name for path in (denoise / split / kind).iterdir()} for kind in ("raw", "gt")
            )
            assert raw == truth
            counts.append(len(raw))
        assert counts == [3, 1, 1]

    def test_volumes_are_read_with_axes_and_voxel_size(self, denoise: Path) -> None:
        for kind, dtype in (("raw", "uint16"), ("gt", "float32")):
            image = read_tiff(denoise / "train" / kind / "denoise_0000.tif")
            assert (image.axes, image.data.shape, image.data.dtype) == ("ZYX", (4, 64, 64), dtype)
            assert image.pixel_size_um == pytest.approx((0.2, 0.08, 0.08))

    def test_truth_is_the_mean_of_the_raw_image(self, denoise: Path) -> None:
        files = sorted(denoise.glob("*/raw/*.tif"))
        raw = np.stack([read_tiff(path).data for path in files]).astype(float)
        truth = np.stack([read_tiff(path.parents[1] / "gt" / path.name).data for path in files])
        residual = raw - truth
        assert abs(residual.mean()) < 4 * residual.std() / np.sqrt(residual.size)
        # Brightest voxels: 10 photons, of which 8 become electrons of 2 counts above 100.
        assert truth.reshape(5, -1).max(axis=1) == pytest.approx(100 + 2 * 8 + 0.1, rel=1e-3)

    def test_record_is_enough_to_make_every_pair_again(self, denoise: Path) -> None:
        record = json.loads((denoise / "simulation.json").read_text())
        assert len(record["pairs"]) == 5
        assert (record["task"], record["seed"]) == ("denoise", 3)
        for entry in record["pairs"]:
            again = simulate_pair(
                record["task"],
                structure=entry["structure"],
                shape=entry["shape"],
                voxel_size_um=entry["voxel_size_um"],
                photons=entry["photons"],
                rng=np.random.default_rng(entry["rng"]),
            )
            raw, truth = (read_tiff(denoise / name).data for name in entry["files"])
            np.testing.assert_array_equal(again.raw, raw)
            np.testing.assert_array_equal(again.truth, truth)
            assert entry["microscope"]["camera"]["read_noise_e"] == 1.5
            assert entry["microscope"]["modality"] == "confocal"

    def test_preview_shows_raw_and_truth(self, denoise: Path) -> None:
        with Image.open(denoise / "preview.png") as picture:
            assert picture.size == (64 + 4 + 64, 64)
            assert np.asarray(picture)[:, :64].std() > 10

    def test_pair_is_the_same_whatever_their_number(self, denoise: Path, tmp_path: Path) -> None:
        main(["simulate", "--task", "denoise", "-n", "3", "-o", str(tmp_path), *SMALL,
              "--seed", "3"])  # fmt: skip
        here, there = bits(tmp_path), bits(denoise)
        assert len(here) == 6
        assert all(there[name] == content for name, content in here.items())

    def test_another_seed_gives_another_specimen(self, denoise: Path, tmp_path: Path) -> None:
        main(["simulate", "--task", "denoise", "-n", "3", "-o", str(tmp_path), *SMALL])
        here, there = bits(tmp_path), bits(denoise)
        assert all(there[name] != content for name, content in here.items())


@pytest.mark.parametrize("task", ["deconvolve", "deaberrate", "enhance", "segment"])
def test_task_writes_pairs(task: str, tmp_path: Path) -> None:
    arguments = ["--task", task, "-n", "3", "-o", str(tmp_path), "--shape", "8,64,64"]
    assert main(["simulate", *arguments]) == 0
    record = json.loads((tmp_path / "simulation.json").read_text())
    raw, truth = (read_tiff(tmp_path / name) for name in record["pairs"][0]["files"])
    assert raw.data.dtype == np.uint16
    assert truth.data.dtype == (np.uint16 if task == "segment" else np.float32)
    assert raw.pixel_size_um == truth.pixel_size_um
    assert len(np.unique(truth.data)) > 2


def test_pairs_in_2d(tmp_path: Path) -> None:
    arguments = ["--task", "denoise", "-n", "3", "-o", str(tmp_path), "--shape", "64,96"]
    assert main(["simulate", *arguments]) == 0
    raw = read_tiff(tmp_path / "train/raw/denoise_0000.tif")
    assert (raw.axes, raw.data.shape) == ("YX", (64, 96))


def test_film_comes_with_labels_and_a_lineage_that_fits_them(tmp_path: Path) -> None:
    arguments = ["--task", "track", "-n", "3", "-o", str(tmp_path), "--shape", "12,96,96"]
    assert main(["simulate", *arguments]) == 0
    labels = read_tiff(tmp_path / "train/gt/track_0000.tif")
    assert labels.axes == "TYX"
    rows = (tmp_path / "train/gt/track_0000_lineage.txt").read_text().splitlines()
    tracks = {int(row.split()[0]): [int(number) for number in row.split()[1:]] for row in rows}
    assert set(np.unique(labels.data)) - {0} == set(tracks)
    for label, (begin, end, parent) in tracks.items():
        frames = np.flatnonzero((labels.data == label).any(axis=(1, 2)))
        assert frames.tolist() == list(range(begin, end + 1))
        assert parent == 0 or tracks[parent][1] == begin - 1


class TestExistingFiles:
    def test_pairs_of_an_earlier_run_are_kept(self, denoise: Path) -> None:
        before = bits(denoise)
        done = simulate("--task", "denoise", "-n", "3", "-o", str(denoise), *SMALL)
        assert done.returncode == 2
        assert "--overwrite" in done.stderr
        assert bits(denoise) == before

    def test_overwrite_replaces_them_and_nothing_else(self, tmp_path: Path) -> None:
        arguments = ["simulate", "--task", "denoise", "-o", str(tmp_path), *SMALL]
        main([*arguments, "-n", "6"])
        note = tmp_path / "train" / "notes.txt"
        note.write_text("mine")
        assert main([*arguments, "-n", "3", "--overwrite"]) == 0
        assert note.read_text() == "mine"
        assert len(list(tmp_path.rglob("*.tif"))) == 6

    def test_foreign_images_are_never_overwritten(self, tmp_path: Path) -> None:
        mine = tmp_path / "train" / "raw" / "denoise_0000.tif"
        mine.parent.mkdir(parents=True)
        mine.write_bytes(b"mine")
        arguments = ["--task", "denoise", "-n", "3", "-o", str(tmp_path), *SMALL, "--overwrite"]
        assert main(["simulate", *arguments]) == 2
        assert mine.read_bytes() == b"mine"

    @pytest.mark.parametrize("name", ["../thesis.txt", "ABSOLUTE", "notes.txt", "train/raw/x.tif",
        "train/raw/../../../thesis.txt", "train/link/denoise_0000.tif"])  # fmt: skip
    def test_overwrite_removes_nothing_that_a_run_has_not_written(
        self, name: str, tmp_path: Path
    ) -> None:
        folder = tmp_path / "set"
        (folder / "train" / "raw").mkdir(parents=True)
        (tmp_path / "thesis.txt").write_text("years")
        name = name.replace("ABSOLUTE", str(tmp_path / "thesis.txt"))
        record = {"aimicro": "0.1.0", "task": "denoise", "pairs": [{"files": [name]}]}
        (folder / "simulation.json").write_text(json.dumps(record))
        self.refuses_and_keeps(folder)
        assert (tmp_path / "thesis.txt").read_text() == "years"

    @pytest.mark.parametrize(
        "text", ["{", "[]", "7", "[" * 100_000, '{"pairs": []}',
                 '{"aimicro": "1", "task": [], "pairs": 3}',
                 '{"aimicro": "1", "task": "denoise", "pairs": [{"files": [3]}]}']
    )  # fmt: skip
    def test_overwrite_refuses_a_record_that_is_not_ours(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "simulation.json").write_text(text)
        self.refuses_and_keeps(tmp_path)

    def test_overwrite_follows_no_link_out_of_the_folder(self, tmp_path: Path) -> None:
        mine = tmp_path / "elsewhere" / "denoise_0000.tif"
        mine.parent.mkdir()
        mine.write_bytes(b"mine")
        folder = tmp_path / "set"
        (folder / "train").mkdir(parents=True)
        (folder / "train" / "raw").symlink_to(mine.parent, target_is_directory=True)
        names = ["train/raw/denoise_0000.tif"]
        record = {"aimicro": "0.1.0", "task": "denoise", "pairs": [{"files": names}]}
        (folder / "simulation.json").write_text(json.dumps(record))
        self.refuses_and_keeps(folder)
        assert mine.read_bytes() == b"mine"

    def test_a_folder_that_cannot_be_created(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "file").write_text("mine")
        self.refuses_and_keeps(tmp_path / "file" / "set")
        assert "-o: Expected a folder that can be created, got " in capsys.readouterr().err

    def test_a_picture_of_the_same_name_is_kept(self, tmp_path: Path) -> None:
        (tmp_path / "preview.png").write_bytes(b"mine")
        self.refuses_and_keeps(tmp_path)
        assert (tmp_path / "preview.png").read_bytes() == b"mine"

    @staticmethod
    def refuses_and_keeps(folder: Path) -> None:
        before = sorted(folder.rglob("*"))
        arguments = ["--task", "denoise", "-n", "3", "-o", str(folder), *SMALL, "--overwrite"]
        assert main(["simulate", *arguments]) == 2
        assert sorted(folder.rglob("*")) == before

    def test_run_that_was_killed_can_be_replaced(self, tmp_path: Path) -> None:
        arguments = ["--task", "denoise", "-o", str(tmp_path / "set"), *SMALL]
        command = [sys.executable, "-m", "aimicro", "simulate", *arguments, "-n", "999"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while len(list(tmp_path.rglob("*.tif"))) < 3 and process.poll() is None:
            os.sched_yield()
        process.kill()
        assert process.wait() < 0
        for path in tmp_path.rglob("*.tif"):
            read_tiff(path)  # nothing is half written
        assert main(["simulate", *arguments, "-n", "3", "--overwrite"]) == 0
        assert len(list(tmp_path.rglob("*.tif"))) == 6


def test_the_microscope_of_a_pair_can_be_built_again_from_its_record(tmp_path: Path) -> None:
    arguments = ["--task", "deaberrate", "--shape", "8,32,32", "-n", "3", "-o", str(tmp_path)]
    assert main(["simulate", *arguments]) == 0
    pair = json.loads((tmp_path / "simulation.json").read_text())["pairs"][0]
    again = Microscope.from_record(pair["microscope"])
    assert again.attenuation_length_um == np.inf
    assert again.aberrations.keys() >= {"primary spherical", "vertical coma"}
    rng = np.random.default_rng(pair["rng"])
    first = simulate_pair("deaberrate", shape=(8, 32, 32), rng=rng)
    assert first.parameters["microscope"]["aberrations"] == again.aberrations
    dark = again.image(np.zeros((8, 32, 32)), photons=1, rng=0)
    assert np.mean(dark.measured) == pytest.approx(again.camera.offset_counts, rel=0.01)
    with pytest.raises(TypeError, match="lens"):
        Microscope.from_record({"lens": "good"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-n", "2"], "Expected -n of 3 or more, got 2"),
        (["-n", "3", "--seed", "-1"], "Expected --seed of 0 or more, got -1"),
        (["-n", "3", "--voxel-size", "200,80,80"], "Divide nanometres by 1000"),
        (["-n", "3", "--shape", "4,90000,90000"], "GB of memory"),
        (["-n", "3", "--structure", "filament"], "Did you mean filaments?"),
        (["-n", "3", "--photons", "-1"], "Expected photons above 0, got -1"),
        (["-n", "3", "--split", "0.5,0.1,0.1"], "add up to 1, got 0.5,0.1,0.1"),
        (["-n", "3", "--split", "0,0.5,0.5"], "leave a pair to train on"),
        (["-n", "3", "--shape", "64"], "Expected a shape (Z, Y, X) or (Y, X)"),
        (["-n", "3", "--shape", "4,64,sixty"], "expected whole numbers like 16,128,128"),
        (["-n", "3", "--voxel-size", "0,0.1,0.1"], "voxel"),
        (["-n", "many"], "invalid int value: 'many'"),
    ],
)
def test_mistakes_end_with_one_line_and_status_2(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(["simulate", "--task", "denoise", "-o", str(tmp_path), *arguments])
    except SystemExit as exit_of_argparse:
        status = exit_of_argparse.code
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert not any(tmp_path.iterdir())


def test_unknown_task_is_refused_with_the_known_ones() -> None:
    done = simulate("--task", "denoising", "-n", "3", "-o", "x")
    assert done.returncode == 2
    assert "denoise" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_tells_tasks_and_defaults() -> None:
    done = simulate("--help")
    assert done.returncode == 0
    for task, settings in TASKS.items():
        assert f"{task} " in done.stdout
        assert settings.shows in done.stdout
