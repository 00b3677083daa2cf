"""The stages that `loop` and `tune` share: the study, looks along tuning, choosing, placing, rounds, the verdict."""
