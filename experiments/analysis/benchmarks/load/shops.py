"""Shops of up to a million users and 100,000 creatives: time and memory against users, creatives and slots."""

import json
import time
from typing import Any

import numpy as np
import torch

from .....simulation.response.lookup import Lookup
from .....simulation.scenario import load_scenario
from .....simulation.world import make_world
from ....harness.run import Run
from ...comparison.plots import growth_exponent
from ..options import BenchmarkOptions
from ..process import python, run_alone

SIZES = {
    "users": [(users, 50, 3) for users in (1000, 10_000, 100_000, 1_000_000)],
    "creatives": [(1000, creatives, 3) for creatives in (50, 500, 5000, 50_000)],
    "slots": [(1000, 50, slots) for slots in (1, 2, 4, 8)],
    "both": [(100_000, 10_000, 3), (1_000_000, 100_000, 3)],
}
"""By what grows: users, creatives, slots of each shop."""
QUICK_SIZES = {"users": [(200, 20, 3), (400, 20, 3)], "both": [(20_000, 4000, 3)]}
BATCH, WARM, TIMED = 4096, 5, 20
PROGRAM = """
import json, sys
from copybandit.experiments.analysis.benchmarks.load.shops import one
print(json.dumps(one(*map(int, sys.argv[1:]))))
"""


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """`{what grows}.shops`, each as `one` measured it in a process of its own, with the powers of time and memory."""
    sizes = QUICK_SIZES if options.run.quick else SIZES
    found: dict[str, Any] = {}
    with run.stage("shops", total=sum(map(len, sizes.values()))) as stage:
        for what, shops in sizes.items():
            rows = []
            for shop in shops:
                said = run_alone(python(PROGRAM, *map(str, (*shop, options.run.seed))), options.threads).whole("shop")
                rows.append(json.loads(said.said) | {"peak_mb": said.peak_mb})
                stage.advance(1, _told(rows[-1]))
                run.say(_told(rows[-1]))
            found[what] = {"shops": rows}
            if what != "both":
                grown = np.array([row[what] for row in rows], dtype=float)
                found[what] |= {
                    f"exponent_{figure}": growth_exponent(grown, np.array([row[figure] for row in rows]))
                    for figure in ("microseconds", "held_mb")
                }
    return found


def _told(row: dict[str, Any]) -> str:
    return (
        f"{row['users']:>9,} users, {row['creatives']:>7,} creatives, {row['slots']} slots: built in "
        f"{row['build_seconds']:.1f} s, {row['microseconds']:.2f} us a visit, {row['held_mb']:,.1f} MB held "
        f"({'in a table' if row['table'] else 'computed'}), peak {row['peak_mb']:,.0f} MB"
    )


def one(users: int, creatives: int, slots: int, seed: int) -> dict[str, Any]:
    """Builds a shop, fills it with the catalog's ads over and over, and shows them at random.

    Returns:
        CPU seconds to build it and to publish; CPU microseconds a visit; MB that users and creatives take in it, and
        whether a table holds them.
    """
    scenario, catalog = load_scenario("shop")
    wide = {
        name: channel.model_copy(update={"examination": [0.9**slot for slot in range(slots)]})
        for name, channel in scenario.channels.items()
    }
    scenario = scenario.model_copy(update={"channels": wide})
    start = time.process_time()
    world = make_world(scenario, catalog, seed=seed, users=users)
    built = time.process_time()
    world.publish([catalog.ads[i % len(catalog.ads)] for i in range(creatives)])
    published = time.process_time()
    pick = torch.Generator().manual_seed(seed)
    clock = []
    for _ in range(WARM + TIMED):
        world.respond(world.visitors(BATCH), torch.randint(creatives, (BATCH, slots), generator=pick))
        clock.append(time.process_time())
    spent = clock[-1] - clock[WARM - 1]
    return {
        "users": users,
        "creatives": creatives,
        "slots": slots,
        "table": isinstance(world.lookup, Lookup),
        "build_seconds": built - start,
        "publish_seconds": published - built,
        "microseconds": 1e6 * spent / (TIMED * BATCH),
        "held_mb": world.lookup.held() / 2**20,
    }
