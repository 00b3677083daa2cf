"""A problem that anyone can solve, and agents of every kind for it."""

import pytest
import torch
from copybandit.agents.agent import Worth
from copybandit.agents.registry import AGENTS, KINDS, make_agent
from copybandit.simulation.visitors.traffic import Impressions
from copybandit.simulation.world import Feedback

WIDTH, ARMS = 4, 6
FEATURES = torch.cat([torch.ones(ARMS, 1), torch.eye(ARMS)], 1)


QUICK = {"sb3-ppo": {"n_steps": 64}, "sb3-a2c": {"n_steps": 64}, "sb3-dqn": {"buffer_size": 5000}}
"""Learners that train after a few visits."""


def visits(n, seed=0, device="cpu", width=WIDTH):
    """Contexts: a constant, and which of the other features is on."""
    kind = torch.randint(width - 1, (n,), generator=torch.Generator().manual_seed(seed)).to(device)
    context = torch.cat([torch.ones(n, 1, device=device), torch.nn.functional.one_hot(kind, width - 1)], 1).float()
    zero = torch.zeros(n, dtype=torch.int64, device=device)
    return Impressions(zero, zero, zero, torch.arange(n, device=device).double(), context)


def chances(slates):
    """[B, L] what each arm earns an examined trial: arm 2 is the best, whoever comes."""
    return torch.where(slates == 2, 0.9, 0.1)


def respond(impressions, slates, seed=0, examination=None):
    draw = torch.rand(slates.shape, generator=torch.Generator().manual_seed(seed)).to(slates.device)
    looked = 1.0 if examination is None else examination[impressions.channel][:, : slates.shape[1]]
    clicked = draw < looked * chances(slates)
    never = torch.zeros_like(clicked)
    return Feedback(impressions, slates, clicked, never, torch.full(slates.shape, torch.inf, device=slates.device))


def build(name, slots=2, seed=0, device="cpu", arms=ARMS, **options):
    options.setdefault("worth", Worth(torch.tensor([[1.0, 0.6, 0.4]], device=device)[:, :slots]))
    features = FEATURES[:arms].to(device) if name.startswith(("shared", "hybrid")) else None
    generator = torch.Generator(device).manual_seed(seed)
    options = QUICK.get(name, {}) | options
    return make_agent(name, arms=arms, slots=slots, width=WIDTH, generator=generator, features=features, **options)


def serve(agent, rounds, batch=32, start=0, candidates=None):
    """Lets an agent serve and learn; returns the slates it chose, [rounds * batch, L]."""
    candidates = torch.arange(agent.arms, device=agent.device) if candidates is None else candidates
    shown = []
    for i in range(start, start + rounds):
        come = visits(batch, seed=i, device=agent.device)
        decision = agent.act(come, candidates)
        shown.append(decision.slates)
        agent.update(decision.answer(respond(come, decision.slates, i, agent.worth.examination)))
    return torch.cat(shown)


@pytest.fixture(params=AGENTS)
def name(request):
    """Every agent."""
    return request.param


@pytest.fixture(params=KINDS)
def bandit(request):
    """Every agent that is a model with a rule."""
    return request.param
