"""The built book, parsed once."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup

BUILT = Path(__file__).resolve().parents[2] / "_build" / "html"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Parse the book in one process, where several share the tests (--dist loadgroup)."""
    for item in items:
        if "pages" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("pages"))


@pytest.fixture(scope="session")
def built() -> Path:
    if not (BUILT / "index.html").is_file():
        pytest.fail(f"Expected the built book in {BUILT}, got none. Run make book.")
    return BUILT


@pytest.fixture(scope="session")
def pages(built: Path) -> dict[Path, BeautifulSoup]:
    """Every page of the book, but for the theme's templates among the static files."""
    return {
        page: BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        for page in sorted(built.rglob("*.html"))
        if "_static" not in page.relative_to(built).parts
    }
