"""Agents on disk: a folder with agent.json, agent.safetensors and creatives.json, written whole. Never pickled.

An agent is an inner one (`kind` says which), the wrappers around it, outermost first, and labels that say what arms and
features stand for. The folder's manifest holds sizes and hashes: half a folder is refused.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..simulation.data.catalog import Creative, Query
from ..simulation.data.errors import InputError
from ..simulation.data.files import MANIFEST, check_folder, parse_json, read_checked, write_folder
from .agent import PlacementAgent, Worth
from .bandit import Bandit
from .checked import CheckedAgent, Serving
from .exposure import MinimumExposure
from .labels import Labels
from .registry import AGENTS, make_agent
from .traffic.delay import Delayed
from .traffic.frequency import FrequencyCap
from .traffic.pacing import Paced
from .traffic.retrieval import Retrieval
from .traffic.slate import Apart, Cap, Layout
from .traffic.wrapper import Wrapper

FORMAT_VERSION = 2
SETTINGS, LEARNED, CREATIVES = "agent.json", "agent.safetensors", "creatives.json"
FACT = "fact."
"""Before the names of tensors that an agent is made from, as against those that it learned."""
REMEDY = "save the agent again"


def save_agent(agent: PlacementAgent, folder: str | Path) -> None:
    """Writes an agent: settings, all that was learned, open decisions, random numbers, and its labels.

    Args:
        agent: made by `agent_for` or `make_agent`, or by `load_agent`.
        folder: of its own; what an earlier `save_agent` left there is replaced in one step.

    Raises:
        InputError: the folder holds something else, or the agent is of a kind that cannot be saved.
    """
    folder = Path(folder)
    _refuse_other_files(folder)
    wrappers, inner = [], agent
    while isinstance(inner, Wrapper):
        wrappers.append({"kind": inner.kind} | inner.settings())
        inner = inner.agent
    if not isinstance(inner, CheckedAgent) or inner.name not in AGENTS:
        raise InputError(f"an agent that `make_agent` did not make, {type(inner).__name__}, cannot be saved")
    facts = {FACT + key: value for key, value in _facts(inner).items()}
    tensors = {key: value.contiguous().cpu().clone() for key, value in (agent.state_dict() | facts).items()}
    whole = {"format_version": FORMAT_VERSION, "agent": _settings(inner), "wrappers": wrappers}

    def write(into: Path) -> None:
        if agent.labels is not None:
            whole["labels"] = _write_labels(agent, agent.labels, into / CREATIVES)
        save_file(tensors, into / LEARNED)
        _write_json(into / SETTINGS, whole)

    write_folder(folder, write)


def load_agent(folder: str | Path, device: torch.device | str = "cpu", seed: int = 0) -> PlacementAgent:
    """Reads an agent onto a device; it goes on where it was saved.

    Args:
        folder: written by `save_agent`: the `placement/` of a run, say.
        device: where it shall live.
        seed: of its random numbers, if it comes from another kind of device and cannot go on with its own.

    Raises:
        InputError: naming the file and what does not fit.
    """
    folder, device = Path(folder), torch.device(device)
    whole = read_checked(folder / SETTINGS, _read_settings, "give a saved agent's folder")
    check_folder(folder, REMEDY)
    tensors = read_checked(folder / LEARNED, load_file, REMEDY)
    return read_checked(folder / SETTINGS, lambda path: _agent(path, whole, tensors, device, seed), REMEDY)


def _agent(
    path: Path, whole: dict[str, Any], tensors: dict[str, Tensor], device: torch.device, seed: int
) -> PlacementAgent:
    """The agent of settings and tensors that were read."""
    facts = {key.removeprefix(FACT): tensors.pop(key).to(device) for key in list(tensors) if key.startswith(FACT)}
    _refuse_larger(whole["agent"], tensors)
    agent: PlacementAgent = _make(whole["agent"], facts, torch.Generator(device).manual_seed(seed))
    agent.labels = _read_labels(whole["labels"], path.with_name(CREATIVES)) if "labels" in whole else None
    for wrapper in reversed(whole["wrappers"]):
        agent = WRAPPERS[wrapper["kind"]].restore(agent, wrapper)
    agent.load_state_dict(tensors)
    return agent


def _refuse_larger(settings: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Raises ValueError where an agent would be larger than what it learned: it is not made first and compared then."""
    most = sum(tensor.numel() for tensor in tensors.values())
    for name in ("arms", "slots", "width"):
        if not isinstance(size := settings[name] or 0, int) or not 0 <= size <= most:
            raise ValueError(f"{name} {size!r}, and {most:,} numbers were learned")


def _refuse_other_files(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder for the agent")
    ours = {SETTINGS, LEARNED, CREATIVES, MANIFEST}
    if others := sorted(path.name for path in folder.iterdir() if path.name not in ours):
        raise InputError(f"{folder}: holds '{others[0]}', which is no agent's; give the agent a folder of its own")


def _read_settings(path: Path) -> dict[str, Any]:
    whole = parse_json(path.read_text(encoding="utf-8"))
    found = whole["format_version"]
    if found != FORMAT_VERSION:
        remedy = "run the command that saved it again" if found == 1 else "use the Copybandit that wrote it"
        raise InputError(f"{path}: format_version {found}; this version reads {FORMAT_VERSION}; {remedy}")
    return whole


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_labels(agent: PlacementAgent, labels: Labels, path: Path) -> dict[str, Any]:
    """Writes creatives.json, one row an arm; what else there is goes into agent.json."""
    if len(labels.creatives) < agent.arms:
        raise InputError(f"labels: {len(labels.creatives)} creatives for {agent.arms} arms; add the others")
    shown = set(agent.on_show.tolist())
    _write_json(
        path,
        [
            {"arm": arm, **dataclasses.asdict(c), "on_show": arm in shown}
            for arm, c in enumerate(labels.creatives[: agent.arms])
        ],
    )
    queries = [dataclasses.asdict(query) for query in labels.queries]
    return {"features": labels.features, "channels": labels.channels, "queries": queries}


def _read_labels(settings: dict[str, Any], path: Path) -> Labels:
    rows = read_checked(path, lambda file: parse_json(file.read_text(encoding="utf-8")), REMEDY)
    creatives = [Creative(row["product_id"], row["text"], row["audience"], row.get("image", "")) for row in rows]
    queries = tuple(Query(**query) for query in settings["queries"])
    return Labels(tuple(settings["features"]), tuple(settings["channels"]), queries, creatives)


def _settings(agent: CheckedAgent) -> dict[str, Any]:
    apart = agent.layout.apart
    return {
        "name": agent.name,
        "arms": agent.arms,
        "slots": agent.slots,
        "width": agent.width,
        "serving": dataclasses.asdict(agent.serving),
        "settings": agent.settings,
        "conversion_value": agent.worth.conversion_value,
        "going_on": agent.worth.going_on,
        "caps": [cap.most for cap in agent.layout.caps],
        "apart": None if apart is None else apart.most,
    }


def _facts(agent: CheckedAgent) -> dict[str, Tensor]:
    """Tensors that an agent is made from."""
    facts = {"examination": agent.worth.examination}
    if agent.worth.click_cost is not None:
        facts["click_cost"] = agent.worth.click_cost
    if isinstance(agent, Bandit) and "features" in agent.model.tensors():
        facts["features"] = agent.model.tensors()["features"]
    if agent.layout.apart is not None:
        facts["texts"] = agent.layout.apart.texts
    return facts | {f"cap.{i}": cap.group for i, cap in enumerate(agent.layout.caps)}


def _make(settings: dict[str, Any], facts: dict[str, Tensor], generator: torch.Generator) -> CheckedAgent:
    """An agent that knows nothing."""
    caps = [Cap(facts[f"cap.{i}"], most) for i, most in enumerate(settings["caps"])]
    apart = None if settings["apart"] is None else Apart(facts["texts"], settings["apart"])
    worth = Worth(facts["examination"], settings["conversion_value"], settings["going_on"], facts.get("click_cost"))
    return make_agent(
        settings["name"],
        arms=settings["arms"],
        slots=settings["slots"],
        width=settings["width"] or 0,
        worth=worth,
        generator=generator,
        serving=Serving(**settings["serving"]),
        layout=Layout(caps, apart) if caps or apart else None,
        features=facts.get("features"),
        **settings["settings"],
    )


WRAPPERS: dict[str, type[Wrapper]] = {
    kind.kind: kind for kind in (MinimumExposure, Retrieval, FrequencyCap, Delayed, Paced)
}
"""What can stand around an agent."""
