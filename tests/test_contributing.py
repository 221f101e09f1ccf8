"""The examples in CONTRIBUTING.md run as they stand."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

GUIDE = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
PARTS = re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", GUIDE, flags=re.MULTILINE | re.DOTALL)
EXAMPLES = {
    title: code
    for title, text in PARTS
    for code in re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
}


def test_what_can_be_added_has_an_example():
    assert {"A network", "A target", "A data set", "A figure"} <= EXAMPLES.keys()


@pytest.mark.parametrize("title", EXAMPLES)
def test_the_example_runs(title: str):
    if "torch" in EXAMPLES[title] or "aimicro.train" in EXAMPLES[title]:
        pytest.importorskip("torch")
    code = compile(EXAMPLES[title], f"CONTRIBUTING.md, {title}", "exec")
    exec(code, {"__name__": "example"})
    plt.close("all")
