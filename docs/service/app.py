"""A decision service over HTTP: one process owns the agent; it decides, learns from what comes back, and saves.

    COPYBANDIT_AGENT=runs/loop-.../placement uvicorn app:app

To serve more than one process can, start others with COPYBANDIT_LEARNS=0 on the same folder: they decide, and take up
what the owner saves. What they showed is not learned from; log it, with its propensities, for `copybandit offline`.
"""

import os
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import torch
from copybandit.agents.agent import Decision, PlacementAgent
from copybandit.agents.state import load_agent, save_agent
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.visitors.traffic import Impressions
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

KEPT = 100_000
"""Decisions that wait for their feedback; beyond it the oldest are given up."""
SAVED_EVERY = 60.0
"""Seconds between saves, and between looks for what the owner saved."""


class Visitor(BaseModel):
    """Who is there, in the words of the agent's features."""

    hour: float | None = Field(None, ge=0, le=24)
    query: str | None = None
    known: dict[str, str | dict[str, float]] = {}
    """By group of features: {"channel": "search", "browsing": {"kitchen": 0.8}}."""


class Slate(BaseModel):
    """What to show, best slot first, and with what probability each was chosen given those above it."""

    impression_id: str
    texts: list[str]
    creatives: list[int]
    propensities: list[float] | None


class Feedback(BaseModel):
    """What came of an impression: 0 or 1 a slot."""

    impression_id: str
    clicked: list[int]
    converted: list[int] | None = None


class Service:
    """The agent, who may touch it, and what waits for feedback."""

    def __init__(self, folder: Path, learns: bool) -> None:
        """Loads the agent."""
        self.folder, self.learns = folder, learns
        self.agent: PlacementAgent = load_agent(folder)
        self.lock = threading.Lock()
        self.waiting: OrderedDict[str, tuple[Impressions, Decision]] = OrderedDict()
        self.loaded = self._changed()
        self.ended = threading.Event()

    def decide(self, visitor: Visitor) -> Slate:
        """A slate for one visitor."""
        number = uuid.uuid4().hex
        with self.lock:
            names = self.agent.labels
            assert names is not None
            visit = names.visits(names.context(visitor.hour, **visitor.known), visitor.query)
            decision = self.agent.act(visit, self.agent.on_show)
            if self.learns:
                self.waiting[number] = visit, decision
                while len(self.waiting) > KEPT:
                    self.waiting.popitem(last=False)
        chances = None if decision.propensities is None else decision.propensities[0].tolist()
        return Slate(
            impression_id=number,
            texts=names.texts(decision.slates)[0],
            creatives=decision.slates[0].tolist(),
            propensities=chances,
        )

    def learn(self, feedback: Feedback) -> None:
        """Learns what came of a decision, once."""
        clicked = torch.tensor([feedback.clicked])
        converted = None if feedback.converted is None else torch.tensor([feedback.converted])
        with self.lock:
            visit, decision = self.waiting[feedback.impression_id]
            self.agent.update(decision.answered(visit, clicked, converted))
            del self.waiting[feedback.impression_id]

    def keep_in_step(self) -> None:
        """Saves what was learned, or takes up what the owner saved, until the service ends."""
        while not self.ended.wait(SAVED_EVERY):
            self.step()

    def step(self) -> None:
        """Saves or takes up, once."""
        if self.learns:
            with self.lock:
                save_agent(self.agent, self.folder)
        elif (changed := self._changed()) != self.loaded:
            fresh = load_agent(self.folder)
            with self.lock:
                self.agent, self.loaded = fresh, changed

    def _changed(self) -> int:
        return (self.folder / "agent.json").stat().st_mtime_ns


def create_app(folder: Path, learns: bool = True) -> FastAPI:
    """The service for an agent's folder."""
    service = Service(folder, learns)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        threading.Thread(target=service.keep_in_step, daemon=True).start()
        yield
        service.ended.set()
        if learns:
            service.step()

    app = FastAPI(title="Copybandit", lifespan=life)
    began = time.time()

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {"learns": learns, "waiting": len(service.waiting), "seconds": round(time.time() - began)}

    @app.post("/decide")
    def decide(visitor: Visitor) -> Slate:
        try:
            return service.decide(visitor)
        except InputError as error:
            raise HTTPException(422, str(error)) from None

    @app.post("/feedback")
    def feedback(given: Feedback) -> dict[str, bool]:
        if not learns:
            raise HTTPException(409, "this process does not learn; send feedback to the one that does")
        try:
            service.learn(given)
        except KeyError:
            told = "no such impression waits for feedback: answered already, given up, or decided before a restart"
            raise HTTPException(404, told) from None
        except (InputError, ValueError) as error:
            raise HTTPException(422, str(error)) from None
        return {"learned": True}

    return app


def __getattr__(name: str) -> FastAPI:
    """`uvicorn app:app` takes the folder from the environment; importing this file does not."""
    if name != "app":
        raise AttributeError(name)
    folder = os.environ.get("COPYBANDIT_AGENT")
    if folder is None:
        raise SystemExit("COPYBANDIT_AGENT: name the placement/ folder of a run")
    return create_app(Path(folder), os.environ.get("COPYBANDIT_LEARNS", "1") != "0")
