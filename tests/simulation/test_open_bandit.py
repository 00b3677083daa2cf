import numpy as np
import pandas as pd
import pytest
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.open_bandit import read_open_bandit

ROW = {
    "timestamp": "2019-11-24 00:03:13.442536+00:00",
    "item_id": 1,
    "position": 3,
    "click": 1,
    "propensity_score": 0.5,
    **{f"user_feature_{i}": f"u{i}" for i in range(4)},
    "user-item_affinity_0": 0.0,
    "user-item_affinity_1": 2.0,
}
ITEMS = [{"item_id": i, "item_feature_0": 0.5 * i, **{f"item_feature_{j}": "x" for j in (1, 2, 3)}} for i in (1, 0)]


@pytest.fixture
def write(tmp_path):
    """Rows that differ from ROW as told, and items, in the layout of the data set."""

    def folder(*changes: dict, items=ITEMS):
        place = tmp_path / "random" / "men"
        place.mkdir(parents=True, exist_ok=True)
        pd.DataFrame([ROW | change for change in changes]).to_csv(place / "men.csv")
        pd.DataFrame(items).to_csv(place / "item_context.csv")
        return place

    return folder


def test_a_small_folder(write):
    log = read_open_bandit(write({}, {"item_id": 0, "position": 1, "click": 0}))
    assert log.item.tolist() == [1, 0] and log.position.tolist() == [2, 0] and log.click.tolist() == [1, 0]
    assert log.timestamp[0] == np.datetime64("2019-11-24T00:03:13.442536")
    assert log.affinity.tolist() == [[0, 2], [0, 2]] and log.propensity.tolist() == [0.5, 0.5]
    assert log.item_features.item_feature_0.tolist() == [0.0, 0.5]  # by item, whatever the order of the file
    assert log.user_features.iloc[0].tolist() == ["u0", "u1", "u2", "u3"]
    assert (len(log), log.items, log.positions) == (2, 2, 3)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"propensity_score": 0.0}, r"men.csv: row 3, column 'propensity_score': 0.0 is not in \(0, 1\]"),
        ({"propensity_score": None}, "men.csv: row 3, column 'propensity_score': the cell is empty"),
        ({"click": 2}, "row 3, column 'click': 2.0 is not 0 or 1"),
        ({"position": 0}, "row 3, column 'position': 0.0 is not a position of one or more"),
        ({"item_id": 0.5}, "row 3, column 'item_id': 0.5 is not a whole number"),
        ({"item_id": 2}, "men.csv: row 3: item 2 is not in item_context.csv; add it there"),
        ({"timestamp": "yesterday"}, "row 3, column 'timestamp': 'yesterday' is not a time that can be read"),
        ({"user-item_affinity_1": "much"}, "row 3, column 'user-item_affinity_1': 'much' is not a number"),
        ({"user-item_affinity_2": 1.0}, "3 columns of affinities for 2 items"),
    ],
)
def test_bad_rows_are_named(write, change, expected):
    with pytest.raises(InputError, match=expected):
        read_open_bandit(write({}, change))


def test_items_twice_or_with_gaps(write):
    with pytest.raises(InputError, match=r"item_context.csv: row 3, column 'item_id': 1.0 stands there a second time"):
        read_open_bandit(write({}, items=[ITEMS[0], ITEMS[0]]))
    with pytest.raises(InputError, match=r"item_context.csv: the 1 items are not numbered from 0 on"):
        read_open_bandit(write({}, items=ITEMS[:1]))


def test_folders_that_are_none(write, tmp_path):
    men = write({})
    with pytest.raises(InputError, match=r"nowhere: no such folder; give one of the Open Bandit Dataset"):
        read_open_bandit("nowhere")
    with pytest.raises(InputError, match=r"random: holds several campaigns; give one of them, such as .*random/men"):
        read_open_bandit(men.parent)
    (men / "item_context.csv").unlink()
    with pytest.raises(InputError, match=r"no item_context.csv in it"):
        read_open_bandit(men)


@pytest.mark.parametrize(("policy", "clicks"), [("random", 46), ("bts", 69)])
def test_the_data_set_itself(shared_data, policy, clicks):
    folder = shared_data / "open_bandit" / policy / "men"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    log = read_open_bandit(folder)
    assert (len(log), log.items, log.positions, log.click.sum()) == (10_000, 34, 3, clicks)
    assert log.affinity.shape == (10_000, 34)
    assert np.allclose(log.propensity, 1 / 34) == (policy == "random")
    assert not np.isnat(log.timestamp).any()
