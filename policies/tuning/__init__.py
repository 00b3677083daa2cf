"""How the writer is tuned: TRL's PPO and its rivals behind one contract (`contract.py`). Only here is TRL imported."""
