"""Gymnasium environments over the simulated world. Importing this package registers them."""

from gymnasium import register

register(
    id="copybandit/AdPlacement-v0",
    entry_point="copybandit.envs.placement:AdPlacementEnv",
    vector_entry_point="copybandit.envs.placement:AdPlacementVectorEnv",
    max_episode_steps=500,
)
