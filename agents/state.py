"""Agents on disk: a folder with agent.safetensors and agent.json. Never pickled."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ..simulation.data.errors import InputError
from .agent import Worth
from .bandit import Bandit, Serving
from .registry import AGENTS, make_agent
from .traffic.slate import Cap, Layout

FORMAT_VERSION = 1


def save_agent(agent: Bandit, folder: str | Path) -> None:
    """Writes an agent made by `make_agent`: settings, all that was learned, open decisions, random numbers."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = agent.state_dict() | {"worth.examination": agent.worth.examination}
    if agent.worth.click_cost is not None:
        tensors["worth.click_cost"] = agent.worth.click_cost
    tensors |= {f"cap.{i}": cap.group for i, cap in enumerate(agent.layout.caps)}
    settings = {
        "format_version": FORMAT_VERSION,
        "agent": agent.name,
        "arms": agent.arms,
        "slots": agent.slots,
        "width": agent.width,
        "serving": dataclasses.asdict(agent.serving),
        "rule": agent.settings,
        "conversion_value": agent.worth.conversion_value,
        "click_model": agent.worth.click_model,
        "caps": [cap.most for cap in agent.layout.caps],
        "device": agent.device.type,
    }
    save_file({name: value.contiguous().cpu().clone() for name, value in tensors.items()}, folder / "agent.safetensors")
    (folder / "agent.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def load_agent(folder: str | Path, device: torch.device | str = "cpu", seed: int = 0) -> Bandit:
    """Reads an agent onto a device.

    Args:
        folder: written by `save_agent`.
        device: where it shall live.
        seed: of its random numbers, if it comes from another kind of device and cannot go on with its own.

    Raises:
        InputError: naming the file and what does not fit.
    """
    settings, tensors = _read(Path(folder))
    device = torch.device(device)
    features = tensors.get("model.features")
    caps = [Cap(tensors.pop(f"cap.{i}").to(device), most) for i, most in enumerate(settings["caps"])]
    cost = tensors.pop("worth.click_cost", None)
    worth = Worth(
        tensors.pop("worth.examination").to(device),
        settings["conversion_value"],
        settings["click_model"],
        None if cost is None else cost.to(device),
    )
    agent = make_agent(
        settings["agent"],
        arms=settings["arms"],
        slots=settings["slots"],
        width=settings["width"] or 0,
        worth=worth,
        generator=torch.Generator(device).manual_seed(seed),
        serving=Serving(**settings["serving"]),
        layout=Layout(caps) if caps else None,
        features=features,
        **settings["rule"],
    )
    agent.load_state_dict(tensors)
    return agent


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    try:
        settings = json.loads((folder / "agent.json").read_text(encoding="utf-8"))
        found = settings["format_version"]
        if found != FORMAT_VERSION:
            raise InputError(f"{folder}/agent.json: format_version {found}; this version reads {FORMAT_VERSION}")
        if settings["agent"] not in AGENTS:
            raise InputError(f"{folder}/agent.json: no agent '{settings['agent']}'; known are {', '.join(AGENTS)}")
        return settings, load_file(folder / "agent.safetensors")
    except FileNotFoundError as error:
        raise InputError(f"{error.filename or folder}: no such file; give a saved agent's folder") from None
    except (ValueError, KeyError, SafetensorError) as error:
        raise InputError(f"{folder}: not a saved agent ({error}); save it again") from None
