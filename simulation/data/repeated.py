"""Names that stand twice among more than fit into memory."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .spool import Spool

AT_ONCE = 2**22
"""Names that are compared at once."""
MOST = 1000
"""Suspects that are named: one is enough."""


def hashed(names: pd.Series) -> NDArray[np.uint64]:
    """[n] 64 bits of each name."""
    return pd.util.hash_pandas_object(names, index=False, categorize=False).to_numpy(np.uint64)


class Repeated:
    """Hashes of names, on disk; those that came twice are found a part at a time."""

    def __init__(self) -> None:
        """None has come."""
        self._spool, self._n = Spool(on_disk=True), 0

    def see(self, names: pd.Series) -> None:
        """Names come."""
        self._spool.append(hashes=hashed(names))
        self._n += len(names)

    def suspects(self) -> NDArray[np.uint64]:
        """Hashes that came twice, at most `MOST`; two names may have one hash."""
        parts, found = -(-self._n // AT_ONCE), np.zeros(0, dtype=np.uint64)
        for part in range(parts):
            own = [row["hashes"][row["hashes"] % np.uint64(parts) == part] for row in self._spool]
            hashes = np.sort(np.concatenate(own))
            found = np.append(found, np.unique(hashes[1:][hashes[1:] == hashes[:-1]]))
            if len(found) >= MOST:
                break
        return found[:MOST]
