import numpy as np
import pytest
from copybandit.experiments.analysis.benchmarks.coverage import false_calls
from copybandit.experiments.analysis.off_policy.evaluation import answers
from copybandit.experiments.analysis.off_policy.known_logs import KnownWorld


class Silent:
    def advance(self, amount: float = 1, note: str = "") -> None:
        pass


@pytest.fixture(scope="module")
def known(tiny_file) -> KnownWorld:
    return KnownWorld(0, slots=2, creatives=4, users=40, scenario_name=tiny_file)


def test_intervals_hold_the_truth_of_the_world(known):
    # 80 logs: coverage of 95% has a standard deviation of 2.4 points.
    held: dict[str, list[bool]] = {}
    truths, found = [], []
    for number in range(80):
        log = known.log(known.logging, 2000, 10_000 + number)
        truths.append(log.truth(known.valued_in_slot[log.context]))
        rng = np.random.default_rng(number)
        found.append(answers([known.evidence(log, rng)], rng))
    truth = np.mean(truths)
    for row in found:
        for name, answer in row.items():
            held.setdefault(name, []).append(answer.interval["low"] <= truth <= answer.interval["high"])
    assert len(held) == 11
    for name, hits in held.items():
        assert np.mean(hits) > 0.87, name
    for name in ("ips", "dr", "rips", "cascade-dr"):
        means = [row[name].interval["mean"] for row in found]
        assert np.mean(means) == pytest.approx(truth, abs=4 * np.std(means) / np.sqrt(80)), name


def test_the_truth_is_what_the_policy_earns(known):
    earned = known.log(known.valued, 20_000, 5)
    logged = known.log(known.logging, 20_000, 5)
    assert logged.truth(known.valued_in_slot[logged.context]) == pytest.approx(earned.reward.sum(1).mean(), rel=0.05)


def test_false_calls_are_rare():
    assert false_calls(0.3, 100, 0, Silent()) <= 0.08  # pyright: ignore[reportArgumentType]
