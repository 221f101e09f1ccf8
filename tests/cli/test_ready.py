import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from aimicro import data
from aimicro.cli import _ready_checks, main
from aimicro.cli._findings import FINE, LOOK, MEND
from aimicro.cli.reference_work import reference_seconds

OPTIONS = argparse.Namespace(fetch=False, offline=True)


def ready(*arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own, as a reader does."""
    environment = {k: v for k, v in os.environ.items() if k != "AIMICRO_DATA_DIR"}
    return subprocess.run(
        [sys.executable, "-m", "aimicro", "ready", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**environment, "PYTHONIOENCODING": "utf-8", **changed},
    )


def lines(page: str) -> dict[str, str]:
    """Return the sign of each check by its name."""
    found = {name: line[0] for line in page.splitlines() for name in _ready_checks.CHECKS
             if line[2:].startswith(f"{name} ")}  # fmt: skip
    assert list(found) == list(_ready_checks.CHECKS)
    return found


@pytest.mark.long
def test_a_computer_that_has_everything_is_ready(tmp_path: Path):
    pytest.importorskip("torch")
    done = ready("--offline", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    assert "✗" not in done.stdout
    found = lines(done.stdout)
    assert [found[name] for name in ("Python", "packages", "PyTorch", "training")] == ["✓"] * 4
    assert found["real images"] == "!"  # none is here, and nobody may ask for them
    assert "simulated twins" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Ready.")
    assert max(map(len, done.stdout.splitlines())) <= 96


def test_where_torch_is_broken_it_says_so_and_asks_all_the_rest(tmp_path: Path):
    pytest.importorskip("torch")  # without it, the packages are not right either
    (tmp_path / "torch.py").write_text("raise ImportError('libtorch_cpu.so is missing')\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = ready("--offline", PYTHONPATH=path, XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == ""
    found = lines(done.stdout)
    assert (found["PyTorch"], found["training"]) == ("✗", "✗")
    assert found["memory"] != "✗" != found["packages"]
    assert "PyTorch cannot be imported (libtorch_cpu.so is missing)" in done.stdout
    assert "→ Install it as pytorch.org/get-started/locally says" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Not ready yet")


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is here")
def test_where_torch_is_missing_it_says_so_and_asks_all_the_rest(tmp_path: Path):
    done = ready("--offline", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 1
    found = lines(done.stdout)
    assert [found[name] for name in ("packages", "PyTorch", "training")] == ["✗"] * 3
    assert found["memory"] != "✗"
    assert "torch is missing" in done.stdout


def test_a_terminal_that_knows_ascii_only_gets_other_signs(monkeypatch, capsys):
    answer = _ready_checks.Answer(LOOK, "half a gigabyte", "Buy some.")
    monkeypatch.setattr("aimicro.cli.ready.CHECKS", {"memory": lambda options: answer})
    monkeypatch.setattr("aimicro.cli.ready.signs", lambda: {FINE: "+", LOOK: "!", "then": "->"})
    assert main(["ready"]) == 0
    page = capsys.readouterr().out
    assert "! memory" in page
    assert "-> Buy some." in page
    page.encode("ascii")


def test_both_switches_are_a_mistake(capsys: pytest.CaptureFixture[str]):
    assert main(["ready", "--fetch", "--offline"]) == 2
    assert capsys.readouterr().err == (
        "aimicro ready: Expected --fetch or --offline, got both. Leave one of them out.\n"
    )


@pytest.mark.parametrize(
    ("requirement", "fault"),
    [
        ("pytest>=1", ""),
        ("pytest", ""),
        ("pytest>=8; platform_system != 'Emscripten'", ""),
        ("nobody-has-this>=2", "nobody-has-this is missing"),
        ("pytest>=1234.5", f"pytest is {pytest.__version__}, expected >=1234.5"),
    ],
)
def test_a_package_that_is_missing_or_old_is_named(requirement: str, fault: str):
    assert _ready_checks.missing(Requirement(requirement)) == fault


@pytest.mark.parametrize("condition", ["extra == 'lab'", "platform_system == 'Emscripten'"])
def test_what_is_not_for_this_computer_is_not_asked_for(
    condition: str, monkeypatch: pytest.MonkeyPatch
):
    promised = ["numpy>=1", f"nobody-has-this>=2; {condition}"]
    monkeypatch.setattr(_ready_checks.metadata, "requires", lambda name: promised)
    answer = _ready_checks.packages(OPTIONS)
    assert (answer.level, answer.found) == (FINE, "1, all as new as promised")


def test_a_package_that_is_too_old_fails(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_ready_checks.metadata, "requires", lambda name: ["numpy>=99"])
    answer = _ready_checks.packages(OPTIONS)
    assert answer.level == MEND
    assert "numpy is " in answer.found


def test_little_memory_and_a_full_disk_are_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_ready_checks, "_MEMORY_GB", 1e6)
    monkeypatch.setattr(_ready_checks, "_DISK_GB", 1e9)
    assert _ready_checks.memory(OPTIONS).level == LOOK
    assert _ready_checks.disk(OPTIONS).level == MEND


def test_a_slow_computer_is_told_what_to_expect_and_not_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_ready_checks, "reference_seconds", lambda: 2.5)
    answer = _ready_checks.speed(OPTIONS)
    assert answer.level == LOOK
    assert "expect 150 s where the book says 60 s" in answer.found


def test_images_that_are_here_need_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in data.registered():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setenv("AIMICRO_DATA_DIR", str(tmp_path))
    assert _ready_checks.real_images(OPTIONS).level == FINE


def test_without_a_network_the_twins_are_promised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("AIMICRO_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    answer = _ready_checks.real_images(argparse.Namespace(fetch=True, offline=False))
    assert answer.level == LOOK
    assert "cannot be downloaded" in answer.found
    assert "simulated twins" in answer.todo
    assert not list(tmp_path.rglob("*.tif"))


def test_the_reference_work_takes_a_time():
    assert 0.05 < reference_seconds() < 300
