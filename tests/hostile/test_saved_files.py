"""What was saved, changed by somebody who also sets its sizes and hashes right: read, or refused in one line."""

import hashlib
import json
import os
import shutil
import struct
from pathlib import Path

import pytest
import torch
from copybandit.agents.registry import agent_for
from copybandit.agents.state import load_agent, save_agent
from copybandit.experiments.scoring.ads import restored_effect
from copybandit.policies.effect.effect_file import read_effect
from copybandit.policies.headlines.predictor import PACKAGED_FOLDER, Predictor
from copybandit.policies.writer.checkpoint import copy_checkpoint
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.files import MANIFEST, check_folder, write_folder
from copybandit.simulation.data.tensor_file import load_tensors, save_tensors
from copybandit.simulation.response.utilities import Scales
from copybandit.simulation.world_file import load_world, save_world
from safetensors.torch import load_file, save_file

from .fuzz import damaged, tried, twisted


def reseal(folder: Path) -> None:
    """Writes the manifest that the folder's files need now."""
    files = {
        path.name: {"size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in folder.iterdir()
        if path.name != MANIFEST and path.is_file()
    }
    (folder / MANIFEST).write_text(json.dumps({"format_version": 1, "files": files}))


def twisted_tensors(tensors: dict[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    """One tensor of another shape or kind, with other numbers, gone, or under another name."""
    out, names = dict(tensors), sorted(tensors)
    name = names[seed % len(names)]
    one = out[name]
    changes = {
        "kind": lambda: one.to(torch.bfloat16) if one.dtype != torch.bfloat16 else one.float(),
        "whole": lambda: one.to(torch.int64) + 10**9,
        "below": lambda: one.to(torch.int64) - 10**9,
        "nan": lambda: torch.full_like(one, float("nan")) if one.is_floating_point() else one,
        "longer": lambda: torch.cat([one, one]) if one.ndim else one[None],
        "flat": lambda: one.reshape(-1),
        "none": lambda: one.new_zeros(0),
    }
    kind = seed // len(names) % (len(changes) + 1)
    if kind == len(changes):
        out["other"] = out.pop(name)
    else:
        out[name] = list(changes.values())[kind]().contiguous()
    return out


def writable(facts):
    """Without half characters, which no writer could put into the file."""
    return json.loads(json.dumps(facts).replace("\\ud800", ""))


def changed(path: Path, kind: str, version: int, seed: int) -> None:
    """Facts or tensors of a file changed, its digest right again; every third time, bytes."""
    tensors, facts = load_tensors(path, kind=kind, format_version=version)
    if seed % 3 == 0:
        path.write_bytes(damaged(path.read_bytes(), seed))
    elif seed % 3 == 1:
        save_tensors(path, tensors, writable(twisted(facts, seed)), kind=kind, format_version=version)
    else:
        save_tensors(path, twisted_tensors(tensors, seed // 3), facts, kind=kind, format_version=version)


def test_worlds(tiny_world):
    world, file = tiny_world, Path("w.safetensors")
    save_world(Path("good.safetensors"), world.scenario, world.catalog, world.audience, world.scales)

    def one(seed):
        shutil.copyfile("good.safetensors", file)
        changed(file, "world", 4, seed)
        load_world(file)

    assert isinstance(world.scales, Scales)
    assert len(load_world(Path("good.safetensors")).audience) == 40
    tried("world file", one, 60)


@pytest.mark.parametrize("name", ["lints", "ucb1", "horizon-ts", "neural-linear"])
def test_agents(tiny_world, name):
    tiny_world.publish(tiny_world.catalog.ads)
    save_agent(agent_for(tiny_world, name), "good")
    load_agent("good")

    def one(seed):
        shutil.rmtree("agent", ignore_errors=True)
        shutil.copytree("good", "agent")
        folder, part = Path("agent"), ("agent.json", "creatives.json", "agent.safetensors", "bytes")[seed % 4]
        if part == "bytes":
            path = sorted(folder.iterdir())[seed // 4 % 4]
            path.write_bytes(damaged(path.read_bytes(), seed))
        elif part.endswith(".json"):
            (folder / part).write_text(json.dumps(twisted(json.loads((folder / part).read_text()), seed)))
        else:
            save_file(twisted_tensors(load_file(folder / part), seed // 4), folder / part)
        if part != "bytes" or seed % 8 == 3:
            reseal(folder)
        load_agent("agent")

    tried(f"agent ({name})", one, 40)


def test_an_agent_larger_than_what_it_learned(tiny_world):
    tiny_world.publish(tiny_world.catalog.ads)
    save_agent(agent_for(tiny_world, "lints"), "agent")
    file = Path("agent/agent.json")
    whole = json.loads(file.read_text())
    whole["agent"]["arms"] = 10**9
    file.write_text(json.dumps(whole))
    reseal(Path("agent"))
    with pytest.raises(InputError, match=r"agent.json: damaged or of another kind \(ValueError: arms 1000000000"):
        load_agent("agent")


def test_predictors():
    tensors, facts = load_tensors(PACKAGED_FOLDER / "predictor.safetensors", kind="predictor", format_version=1)

    def one(seed):
        Path("p").mkdir(exist_ok=True)
        file = Path("p/predictor.safetensors")
        other = writable(twisted(facts, seed)) if seed % 2 else facts
        save_tensors(
            file, tensors if seed % 2 else twisted_tensors(tensors, seed), other, kind="predictor", format_version=1
        )
        reseal(Path("p"))
        Predictor.load("p").predict(["One way", "Another way"])

    if not facts["encoder"]:
        tried("predictor", one, 6)


@pytest.mark.parametrize("kind", ["EffectModel", "PairwiseEffect", "StackedEffect", 5, None])
def test_effect_models_that_hold_nothing(kind):
    Path("e").mkdir()
    save_tensors(Path("e/effect.safetensors"), {}, {"kind": kind, "learned": {}}, kind="effect model", format_version=1)
    reseal(Path("e"))
    with pytest.raises(InputError, match="damaged or of another kind"):
        restored_effect(*read_effect(Path("e")), Path("e"), torch.device("cpu"))


HEADERS = {
    "a header of 2^60 bytes": struct.pack("<Q", 2**60) + b"{}",
    "offsets beyond the file": {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 2**40]}},
    "a shape of other size": {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 16]}},
    "sizes that wrap around": {"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}},
    "no kind of number": {"a": {"dtype": "object", "shape": [4], "data_offsets": [0, 16]}},
    "facts that are no text": {"__metadata__": {"facts": 5}},
    "a list": [],
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_lie(name):
    header = HEADERS[name]
    if not isinstance(header, bytes):
        text = json.dumps(header).encode()
        header = struct.pack("<Q", len(text)) + text + bytes(16)
    Path("w.safetensors").write_bytes(header)
    with pytest.raises(InputError, match=r"w.safetensors: damaged or of another kind"):
        load_world(Path("w.safetensors"))


def sealed(folder: Path) -> None:
    write_folder(folder, lambda into: (into / "a.txt").write_text("a"))


@pytest.mark.parametrize("name", ["../secret", "link", "/etc/hostname"])
def test_a_manifest_that_names_what_lies_elsewhere(name):
    Path("secret").write_text("mine")
    sealed(Path("f"))
    os.symlink("../secret", "f/link")
    data = (Path("f") / name).read_bytes() if (Path("f") / name).is_file() else b""
    seal = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    Path("f", MANIFEST).write_text(json.dumps({"format_version": 1, "files": {name: seal}}))
    with pytest.raises(InputError, match="leads out of its folder"):
        check_folder(Path("f"))


def test_an_export_takes_along_no_link():
    Path("secret").write_text("mine")
    sealed(Path("f"))
    os.symlink("../secret", "f/link")
    copy_checkpoint(Path("f"), Path("to"))
    assert sorted(path.name for path in Path("to").iterdir()) == ["a.txt", MANIFEST]
