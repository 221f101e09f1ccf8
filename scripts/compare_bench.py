"""Compare the benchmarks of two commits: the shorter of each one's medians, and their ratio."""

import json
import sys
from pathlib import Path


def medians(reports: Path, commit: str) -> dict[str, float]:
    """Return the shortest median of each benchmark, in seconds."""
    shortest: dict[str, float] = {}
    for report in reports.glob(f"{commit}-*.json"):
        for bench in json.loads(report.read_text(encoding="utf-8"))["benchmarks"]:
            seconds = bench["stats"]["median"]
            shortest[bench["name"]] = min(seconds, shortest.get(bench["name"], seconds))
    return shortest


def main(reports: Path) -> None:
    before, now = medians(reports, "before"), medians(reports, "now")
    print(f"{'seconds':60} {'before':>9} {'now':>9} {'times as fast':>14}")
    for name in sorted(before.keys() & now.keys()):
        ratio = before[name] / now[name]
        print(f"{name:60} {before[name]:9.3f} {now[name]:9.3f} {ratio:14.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
