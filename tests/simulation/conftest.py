import pytest
from copybandit.simulation.world import World, demo_world


@pytest.fixture(scope="session")
def shop() -> World:
    """The built-in shop. It is shared: read from it (`gold`, `reader`), or `reset` it first."""
    return demo_world("shop", seed=0)
