"""What the notebook on training well asks of Optuna, in every release that is promised."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

optuna = pytest.importorskip("optuna", reason="needs the extra search")

TRIALS, PLACES = 32, 6
KNOBS = "abcde"
SAMPLERS: dict[str, Callable[[int], Any]] = {
    "grid": lambda seed: optuna.samplers.GridSampler({knob: [1, 4] for knob in KNOBS}, seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "evolution": lambda seed: optuna.samplers.NSGAIISampler(population_size=8, seed=seed),
    "Bayes": lambda seed: optuna.samplers.TPESampler(seed=seed),
}


def objective(trial: Any) -> float:
    """A hill with its top between the places of the grid; the first knob matters most."""
    at = np.array([trial.suggest_int(knob, 0, PLACES - 1) for knob in KNOBS])
    return -float((np.array([8, 4, 2, 1, 0.1]) * (at - 2) ** 2).sum())


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def search(way: str, seed: int) -> Any:
    study = optuna.create_study(direction="maximize", sampler=SAMPLERS[way](seed))
    study.optimize(objective, n_trials=TRIALS)
    return study


@pytest.mark.parametrize("way", SAMPLERS)
def test_a_search_spends_its_budget_repeats_itself_and_says_nothing(way, capfd):
    once, again, other = (search(way, seed) for seed in (3, 3, 4))
    assert len(once.trials) == TRIALS
    assert [t.params for t in once.trials] == [t.params for t in again.trials]
    assert [t.params for t in once.trials] != [t.params for t in other.trials]
    assert once.best_value == max(t.value for t in once.trials)
    assert objective(optuna.trial.FixedTrial(once.best_params)) == once.best_value
    assert capfd.readouterr() == ("", "")


def test_a_grid_tries_every_combination_once():
    tried = {tuple(t.params[knob] for knob in KNOBS) for t in search("grid", 0).trials}
    assert len(tried) == TRIALS == 2 ** len(KNOBS)
    assert {place for places in tried for place in places} == {1, 4}


def test_bayes_draws_ten_at_random_and_then_leads():
    random, bayes = ([search(way, seed) for seed in range(8)] for way in ("random", "Bayes"))
    for one, other in zip(random, bayes, strict=True):
        first = [[t.params for t in study.trials[:10]] for study in (one, other)]
        assert first[0] == first[1]
    means = [np.mean([study.best_value for study in several]) for several in (random, bayes)]
    assert means[1] > means[0]
