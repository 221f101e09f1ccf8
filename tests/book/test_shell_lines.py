"""The page on 3D-RCAN: every shell line on it runs, and its tables say what the package does.

Part of the stage `pages` of scripts/test.sh, although nothing here needs the built book.
"""

import argparse
import csv
import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tifffile

from aimicro.cli import main, parser
from aimicro.cli.config import TrainingConfig, config_schema, read_config
from aimicro.io import read_tiff
from aimicro.metrics.restoration import affine_fit
from aimicro.models.rcan import RCAN, ResidualChannelAttentionBlock, ResidualGroup
from aimicro.simulate.pairs import simulate_pair
from aimicro.train import FilePatches, Percentile, Scaling, structure
from aimicro.train.windows import random_window

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "appendixA_rcan.md").read_text(encoding="utf-8")
# A long flag is written in HTML, so that a phone can break it, and nothing makes a dash of its --.
PAGE = re.sub("</?code.*?>", "`", PAGE.replace("<wbr>", "").replace("<!-- -->", ""))
GPU_CONFIGS = sorted((ROOT / "notebooks" / "configs").glob("gpu_*.json"))


def listings(language: str) -> list[list[str]]:
    """Return the code blocks of a language, each as its lines."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    return [block.splitlines() for block in blocks]


def rows(heading: str) -> list[list[str]]:
    """Return the cells of all tables between a heading and the next one, without their heads."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    tables = re.findall(r"^\| :?-.*\n((?:\|.*\n)+)", section, flags=re.MULTILINE)
    lines = "".join(tables).splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def code(cell: str) -> list[str]:
    """Return what a cell shows as code."""
    return re.findall(r"`([^`]+)`", cell)


def named(heading: str) -> list[str]:
    """Return what the first column of the tables below a heading shows as code."""
    return [name for row in rows(heading) for name in code(row[0])]


# ---- the listings


def in_powershell(line: str) -> str:
    """Translate a line of bash."""
    if line == "source rcan/bin/activate":
        return r"rcan\Scripts\Activate.ps1"
    line = re.sub(r"^python3 -m venv", "py -m venv", line)
    line = re.sub(r"(?<![:/])/(?!/)(?!\S+\.whl)", r"\\", line)  # but in an address
    return re.sub(r" \\$", " `", line)


def test_every_line_for_windows_is_the_one_for_linux_and_macos_translated():
    bash, powershell = listings("bash"), listings("powershell")
    assert len(bash) >= 5
    assert [[in_powershell(line) for line in block] for block in bash] == powershell
    pair = r"\n::::\{tab-item\} Linux, macOS\n:sync: bash\n\n```bash\n.*?"
    pair += r"\n::::\{tab-item\} Windows\n:sync: powershell\n\n```powershell\n"
    assert len(re.findall(pair, PAGE, flags=re.DOTALL)) == len(bash)


def test_powershell_gets_no_comma_outside_quotes_and_no_backslash_before_one():
    for line in chain.from_iterable(listings("powershell")):
        assert "," not in re.sub('"[^"]*"', "", line)
        assert '\\"' not in line
        assert line == line.rstrip()


def test_each_command_stays_a_command_on_both_systems():
    for block in listings("bash"):
        for line, following in zip(block, [*block[1:], ""], strict=True):
            # Only a continued line is indented, and nothing follows the mark.
            assert following.startswith("  ") == line.endswith(" \\")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the lines leave behind: run in order, in one bash, in an empty folder."""
    tools, empty = tmp_path_factory.mktemp("tools"), tmp_path_factory.mktemp("empty")
    for name, content in re.findall(r"Save this as `(\S+)`:\n\n```json\n(.*?)```", PAGE, re.DOTALL):
        (empty / name).write_text(content)
    assert [path.name for path in empty.iterdir()] == ["config.json"]
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (tools / "libraries.pth").write_text("\n".join(libraries))
    wheels, lines = built_wheel(tools), []
    for block in listings("bash"):
        # pip finds what the site will hand out in a folder.
        lines += [re.sub(r"https://\S+/(?=aimicro-\S+\.whl)", f"{wheels}/", line) for line in block]
        if any("pip install" in line for line in block):
            # Not before: pip would find aimicro installed already.
            lines += [
                f'cp "{tools}/libraries.pth" "$VIRTUAL_ENV"/lib/python3*/site-packages',
                'python -c "import aimicro, sys; assert sys.prefix in aimicro.__file__"',
            ]
    script = tools / "lines.sh"
    script.write_text("trap 'echo \"failed: $BASH_COMMAND\" >&2' ERR\n" + "\n".join(lines))
    done = subprocess.run(
        ["bash", "-e", script],
        cwd=empty,
        env=offline_environment(tools, wheels=wheels),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return empty


def built_wheel(folder: Path) -> Path:
    """Build the package as it would be published, and return the folder with the wheel."""
    subprocess.run([ROOT / "scripts" / "wheel.sh", folder / "dist"], check=True)
    return folder / "dist"


def offline_environment(folder: Path, *, wheels: Path) -> dict[str, str]:
    """Return an environment without network, in which pip finds our wheel and nothing else."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        environment[name] = "http://127.0.0.1:9"  # nobody listens there
    return environment | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MPLCONFIGDIR": str(folder),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_NO_DEPS": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


@pytest.mark.slow
@pytest.mark.timeout(300)
class TestTheLinesRun:
    def test_and_the_network_gains_about_what_the_page_says(self, folder: Path):
        with (folder / "restored" / "scores.csv").open() as file:
            (scores,) = csv.DictReader(file)
        assert scores["affine_fit"] == "yes"
        gain = float(scores["psnr_restored"]) - float(scores["psnr_raw"])
        said = float(re.search(r"about (\d+) dB", PAGE)[1])
        assert gain == pytest.approx(said, abs=0.75)

    def test_and_a_training_writes_the_files_of_the_table(self, folder: Path):
        names = named("What a training writes")
        # "012" stands for any number, and "…" for any ending.
        patterns = [re.sub(r"\d+", r"\\d+", re.escape(name)).replace("…", ".*") for name in names]
        written = [path.name for path in (folder / "model").iterdir()]
        assert all(any(re.fullmatch(p, name) for p in patterns) for name in written)
        assert all(any(re.fullmatch(p, name) for name in written) for p in patterns)

    def test_and_the_image_for_measuring_has_the_unit_and_voxels_of_the_raw_one(self, folder: Path):
        raw = read_tiff(folder / "dataset" / "test" / "raw" / "denoise_0000.tif")
        restored = read_tiff(folder / "for measuring.tif")
        assert (restored.axes, restored.data.dtype) == ("ZYX", np.uint16)
        assert restored.pixel_size_um == pytest.approx(raw.pixel_size_um)
        assert restored.data.mean() == pytest.approx(raw.data.mean(), rel=0.1)

    def test_and_the_recipe_for_brightness_gives_a_gain_that_a_fitted_line_does_not(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.chdir(folder)
        ((recipe),) = ["\n".join(lines) for lines in listings("python")]
        found: dict[str, Any] = {}
        exec(recipe, found)  # the lines of the page
        line = affine_fit(found["truth"], found["restored"]).gain
        assert 0 < line < 0.9 * found["gain"]

    def test_and_the_images_for_slides_are_8_bit_ome_tiffs(self, folder: Path):
        file = folder / "slides" / "denoise_0000.tif"
        slides = read_tiff(file)
        assert (slides.axes, slides.data.dtype) == ("ZCYX", np.uint8)
        assert slides.data.min(axis=(0, 2, 3)).tolist() == [0, 0]
        assert slides.data.max(axis=(0, 2, 3)).tolist() == [255, 255]
        with tifffile.TiffFile(file) as tif:
            assert tif.is_ome

    def test_and_the_default_thresholds_find_no_patch_of_filaments(self, folder: Path):
        train = folder / "dataset" / "train"
        pairs = [(path, train / "gt" / path.name) for path in sorted((train / "raw").iterdir())]
        patches = FilePatches(
            pairs,
            patch_size=(8, 32, 32),
            batch_size=1,
            keep=structure(),
            scaling=Scaling(Percentile(), Percentile()),
            memory_limit_bytes=1e9,
        )
        with pytest.warns(RuntimeWarning, match="Failed to sample a valid patch"):
            patches.batch(0)


# ---- the tables


def range_in_words(setting: dict[str, Any]) -> str | None:
    """Say what the JSON schema allows for a key; None for paths and lists of numbers."""
    match setting:
        case {"anyOf": [kind, {"type": "null"}]}:
            words = range_in_words(kind)
            return words and f"{words}, or `null`"
        case {"enum": values} | {"items": {"enum": values}}:
            return ", ".join(f"`{json.dumps(value)}`" for value in values)
        case {"const": value}:
            return f"`{json.dumps(value)}`"
        case {"type": "boolean"}:
            return "`true`, `false`"
        case {"minimum": low, "maximum": high}:
            return f"{low} to {high}"
        case {"minimum": low, "exclusiveMaximum": end}:
            return f"{low} to {end - 1}"
        case {"minimum": low}:
            return f"{low:g} or more".replace("e-0", "e-")
        case {"exclusiveMinimum": low}:
            return f"above {low}"
        case {"type": "number"}:
            return "any number"
    return None


def test_the_table_of_settings_is_the_configuration():
    table = {code(key)[0]: (default, span) for key, default, span, _ in rows("Every setting")}
    assert set(table) == set(TrainingConfig.model_fields)
    schema = config_schema()["properties"]
    for key, (default, span) in table.items():
        assert json.loads(code(default)[0]) == schema[key]["default"], key
        words = range_in_words(schema[key])
        assert words is None or span == words, key
    without_words = [key for key in table if range_in_words(schema[key]) is None]
    assert without_words == [key for key in table if key.endswith(("_dir", "_pairs", "_shape"))]


def test_the_configuration_on_the_page_is_one_and_needs_its_folders_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (block,) = listings("json")
    (tmp_path / "config.json").write_text("\n".join(block))
    monkeypatch.chdir(tmp_path)
    assert main(["train", "-c", "config.json", "-o", "model"]) == 2
    assert "training_data_dir.raw: Expected a folder on this machine" in capsys.readouterr().err


def flags_of(command: str) -> set[str]:
    """Return the flags that the help of a command lists."""
    (commands,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return {flag for action in commands.choices[command]._actions for flag in action.option_strings}


def test_the_list_of_flags_is_that_of_apply():
    listed = chain.from_iterable(map(code, re.findall(r"^(`-.*)\n: ", PAGE, flags=re.MULTILINE)))
    assert sorted(listed) == sorted(flags_of("apply") - {"-h", "--help"})


def test_every_flag_that_the_page_names_is_one():
    named = {flag for words in code(PAGE) for flag in re.findall(r"(?<!\S)--[a-z][\w-]*", words)}
    assert named <= flags_of("simulate") | flags_of("train") | flags_of("apply")


def test_the_numbers_of_weights_are_counted():
    counts = {}
    for name, *sizes, weights in rows("How it works"):
        channels, blocks, groups = map(int, sizes)
        network = RCAN(2 if "images" in name else 3, channels, blocks, groups)
        counts[name] = count(network)
        assert weights == f"{counts[name]:,}"
    assert len(counts) >= 4


def count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_figure_counts_right():
    figure = (ROOT / "book" / "figures" / "rcan.svg").read_text(encoding="utf-8")
    network = RCAN()
    group = next(m for m in network.modules() if isinstance(m, ResidualGroup))
    block = next(m for m in group.modules() if isinstance(m, ResidualChannelAttentionBlock))
    attention = block.change[-1]
    parts = [network, network.head, network.after_body, network.tail, group, block, attention]
    parts += [layer for layer in attention.excite if count(layer)]
    shown = {int(n.replace(",", "")) for n in re.findall(r">[^<]*?(\d[\d,]+)[^<]*<", figure)}
    assert {count(part) for part in parts} <= shown


def test_the_messages_that_the_page_explains_are_messages_of_the_package():
    source = "".join(path.read_text() for path in (ROOT / "src" / "aimicro").rglob("*.py"))
    source = re.sub(r'"\s*\n\s*f?"', "", source)  # strings that go on in the next line
    messages = named("When something goes wrong")
    assert len(messages) >= 9
    assert [message for message in messages if message not in source] == []


def test_links_to_notebooks_name_pages_of_this_appendix():
    links = re.findall(r"\]\(\.\./notebooks/(\w+)\.ipynb\)", PAGE)
    assert {"denoising", "deconvolution", "aberration", "resolution"} <= {
        link.removeprefix("appendixA_") for link in links
    }


# ---- full size


class FullSize(NamedTuple):
    """A row of the table: settings, and the command that makes pairs for them."""

    file: Path
    command: list[str]


FULL_SIZE = [
    FullSize(ROOT / "book" / re.search(r"<(.*?)>", settings)[1], shlex.split(code(pairs)[0]))
    for _, settings, pairs in rows("Full size, on a GPU")
]


def test_every_full_size_configuration_is_in_the_table():
    assert sorted(row.file.resolve() for row in FULL_SIZE) == GPU_CONFIGS
    assert len(GPU_CONFIGS) == 4


@pytest.mark.parametrize("row", FULL_SIZE, ids=lambda row: row.file.stem)
class TestFullSize:
    def test_settings_are_those_of_the_published_network(self, row: FullSize):
        config = read_config(row.file)
        sizes = (config.num_channels, config.num_residual_blocks, config.num_residual_groups)
        assert (*sizes, config.channel_reduction) == (32, 3, 5, 8)
        assert config.epochs * config.steps_per_epoch >= 10_000
        assert config.validation_data_dir is not None

    def test_nothing_but_the_folders_is_missing(
        self,
        row: FullSize,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ):
        monkeypatch.chdir(tmp_path)
        for which in ("training", "validation"):
            for kind in ("raw", "gt"):
                assert main(["train", "-c", str(row.file), "-o", "model"]) == 2
                message = capsys.readouterr().err
                assert f"{which}_data_dir.{kind}: Expected a folder" in message
                missed = Path(re.search(r"got '(.*?)'", message)[1])
                missed.mkdir(parents=True)
                tifffile.imwrite(missed / "a.tif", np.eye(32, dtype=np.uint16))

    def test_thresholds_take_most_patches_of_the_pairs_that_the_command_makes(self, row: FullSize):
        options, config = parser().parse_args(row.command[1:]), read_config(row.file)
        size = config.patch_shape(3)
        assert all(np.less_equal(size, options.shape))
        # A volume as deep as those, and a little wider than a patch.
        truth = simulate_pair(options.task, shape=(options.shape[0], 160, 160), rng=0).truth
        truth = Percentile(2, 99.9).for_image(truth).apply(truth)
        rng = np.random.default_rng(0)
        patches = [truth[random_window(truth.shape, size, rng)] for _ in range(20)]

        def taken(intensity: float, area: float) -> int:
            return sum((patch > intensity).mean() >= area for patch in patches)

        assert taken(config.intensity_threshold, config.area_ratio_threshold) >= 16
        assert taken(0.25, 0.5) == 0
