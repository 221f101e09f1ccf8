"""Add up the tests in a folder of JUnit reports and print one closing line."""

import sys
from pathlib import Path
from xml.etree import ElementTree


def main(folder: Path) -> None:
    passed = failed = skipped = 0
    for report in folder.glob("*.xml"):
        for suite in ElementTree.parse(report).getroot():
            bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            left_out = int(suite.get("skipped", 0))
            failed += bad
            skipped += left_out
            passed += int(suite.get("tests", 0)) - bad - left_out
    print(f"{passed} passed, {failed} failed, {skipped} skipped")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
