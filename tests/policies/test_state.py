import json

import pytest
import torch
from copybandit.policies.tuning.training_state import StateDirectory, TuningState, load_optimizer, optimizer_tensors
from copybandit.simulation.data.errors import InputError
from safetensors.torch import load_file, save_file

IDENTITY = {"model": "a", "tokenizer": "b", "catalog": "c"}


def state(step: int) -> TuningState:
    return TuningState(step, {"policy.w": torch.full((3,), float(step)), "best.w": torch.ones(2)}, {"kl": 0.5})


@pytest.fixture
def directory(tmp_path):
    found = StateDirectory(tmp_path / "state", IDENTITY)
    for step in (1, 2, 3):
        found.save(state(step))
    return found


def test_the_newest_comes_back_and_two_are_kept(directory):
    found = directory.latest()
    assert found is not None
    assert (found.step, found.facts) == (3, {"kl": 0.5})
    assert found.part("policy")["w"].tolist() == [3.0, 3.0, 3.0]
    assert [path.name for path in sorted(directory.path.iterdir())] == [
        "step-00000002.safetensors",
        "step-00000003.safetensors",
    ]


def test_nothing_saved(tmp_path):
    assert StateDirectory(tmp_path / "none", IDENTITY).latest() is None


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:-1] + bytes([b[-1] ^ 1])])
def test_a_damaged_file_leaves_the_one_before(directory, damage):
    newest = directory.path / "step-00000003.safetensors"
    newest.write_bytes(damage(newest.read_bytes()))
    found = directory.latest()
    assert found is not None
    assert found.step == 2
    assert str(newest) in directory.damaged[0]


def test_half_written_files_do_not_count(directory):
    (directory.path / ".step-00000004.safetensors.tmp").write_bytes(b"half")
    assert directory.latest().step == 3


@pytest.mark.parametrize("name", IDENTITY)
def test_of_another_model_tokenizer_or_catalog(directory, name):
    other = StateDirectory(directory.path, IDENTITY | {name: "x"})
    with pytest.raises(InputError, match=f"saved with another {name}"):
        other.latest()


def test_another_format_version(directory):
    path = directory.path / "step-00000003.safetensors"
    save_file(
        load_file(path), path, {"kind": "tuning state", "format_version": "99", "facts": json.dumps({}), "digest": ""}
    )
    with pytest.raises(InputError, match="format 99"):
        directory.latest()


def test_an_optimizer_goes_on_where_it_was():
    def made():
        torch.manual_seed(0)
        layer = torch.nn.Linear(3, 2)
        return layer, torch.optim.AdamW(layer.parameters(), lr=0.1)

    def step(layer, optimizer, times):
        for _ in range(times):
            layer(torch.ones(4, 3)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    first, optimizer = made()
    step(first, optimizer, 2)
    tensors, rest = optimizer_tensors(optimizer)
    kept = {name: weight.clone() for name, weight in first.state_dict().items()}
    step(first, optimizer, 2)
    second, other = made()
    second.load_state_dict(kept)
    load_optimizer(other, tensors, json.loads(json.dumps(rest)))
    step(second, other, 2)
    assert torch.equal(first.weight, second.weight)
