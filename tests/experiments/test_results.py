"""Results on disk: nothing is lost, whatever happens to the process, the disk or the file."""

import errno
import os

import pandas as pd
import pyarrow.parquet as pq
import pytest
from copybandit.experiments.analysis.comparison import results as module
from copybandit.experiments.analysis.comparison.results import Results
from copybandit.simulation.data.errors import InputError


def row(seed: int = 0, agent: str = "lints", **changes: object) -> dict:
    figures = {"settings": '{"users": 5, "world": "a"}', "size": [2, 1], "reward": [0.1, 0.2], "oracle": [0.3, 0.4]}
    return {"agent": agent, "world": "shop", "seed": seed, "seconds": 0.5} | figures | changes


def fill(path, rows) -> None:
    with Results(path) as results:
        for one in rows:
            results.add([one])


def test_rows_come_back_sorted(tmp_path):
    fill(tmp_path / "r.parquet", [row(1), row(0)])
    fill(tmp_path / "r.parquet", [row(0, "egreedy")])
    frame = pd.read_parquet(tmp_path / "r.parquet")
    assert list(zip(frame["seed"], frame["agent"], strict=True)) == [(0, "egreedy"), (0, "lints"), (1, "lints")]
    assert frame["reward"][0].tolist() == [0.1, 0.2]


def test_what_is_done_is_written_when_the_rest_breaks_off(tmp_path):
    path = tmp_path / "r.parquet"

    def broken_off():
        yield row(0)
        yield row(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(path, broken_off())
    with Results(path) as results:
        assert ("shop", 1, "lints") in results and ("shop", 2, "lints") not in results


def test_two_processes(tmp_path):
    path = tmp_path / "r.parquet"
    with Results(path) as results:
        results.add([row()])
        with pytest.raises(InputError, match="another process"), Results(path):
            pass
        results.add([row(1)])
    assert len(pd.read_parquet(path)) == 2


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"shop": '{"users": 6, "world": "a"}'}, "users 5, now 6"),
        ({"shop": '{"users": 5, "world": "b"}'}, "'shop' has changed"),
        ({"mars": '{"users": 6, "world": "b"}'}, "users 5, now 6"),
        ({"shop": '{"users": 5, "world": "a"}'}, None),
        ({"mars": '{"users": 5, "world": "b"}'}, None),
    ],
)
def test_other_settings(tmp_path, now, said):
    fill(tmp_path / "r.parquet", [row()])
    with Results(tmp_path / "r.parquet") as results:
        if said is None:
            results.refuse_others(now)
        else:
            with pytest.raises(InputError, match=said):
                results.refuse_others(now)


def test_a_full_disk(tmp_path, monkeypatch):
    path, spare = tmp_path / "full" / "r.parquet", tmp_path / "spare"
    fill(path, [row(0)])
    spare.mkdir()
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(spare))
    write = pq.write_table

    def full(table, path, **options):
        if "full" in path.parts:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(table, path, **options)

    monkeypatch.setattr(module.pq, "write_table", full)
    with pytest.raises(InputError, match="No space left on device; 1 cells are safe in it, and 1 new"):
        fill(path, [row(1)])
    assert len(pd.read_parquet(path)) == 1
    assert [p.name for p in path.parent.iterdir() if p.suffix == ".tmp"] == []
    (rescued,) = spare.iterdir()
    assert len(pd.read_parquet(rescued)) == 2


def test_what_is_no_results_file(tmp_path):
    (tmp_path / "r.parquet").write_text("no")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    for name, said in (("r.parquet", "not readable as results"), ("other.parquet", "not the results of")):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(InputError, match=said), Results(tmp_path / name):
            pass
        assert (tmp_path / name).read_bytes() == before
