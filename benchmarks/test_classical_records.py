"""Are the recorded parameters of the classical methods still the best? By `make bench`.

The pages of the book run the best methods with parameters from a record, which
``scripts/tune_classical.py`` has made. Here everything is tuned anew on one of the test sets, the
quickest, and compared with its record.
"""

from dataclasses import replace

import pytest

from aimicro.benchmarks import restoration_task
from aimicro.restore import best_classical

SAME_DB = 0.1  # a search that ends beside the recorded strength is as good


@pytest.mark.slow
def test_a_new_search_finds_what_is_on_record() -> None:
    task = restoration_task("denoise")
    ranking = best_classical(replace(task, record={}))
    print(f"\nbest classical methods on {task.name}, dB PSNR, and as recorded:")
    for name, method in ranking.items():
        print(f"  {name:40} {method.psnr:5.2f} {task.record[name].psnr:5.2f}")
    assert ranking.keys() == task.record.keys()
    assert all(abs(m.psnr - task.record[name].psnr) < SAME_DB for name, m in ranking.items())
