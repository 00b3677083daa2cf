"""Tables of shares as heat maps: every cell carries its number, so that nothing hangs on colour alone."""

import pandas as pd
from matplotlib.patches import Rectangle

from ..drawing.formats import percent
from ..drawing.plots import LIGHT, Plot, _axes, _plot, _rows, _styled

DEEPEST = 0.6
"""Opacity of the largest share: letters stay legible on it."""


@_styled
def placed_plot(shares: pd.DataFrame, how: str) -> Plot:
    """Shares of categories by channel and slot.

    Args:
        shares: index (channel, slot), a column a category; rows sum to 1.
        how: the placement that is shown.
    """
    figure, axes = _axes(1.3 + 0.34 * len(shares))
    deepest = DEEPEST / max(float(shares.to_numpy().max()), 1e-9)
    for row, values in enumerate(shares.to_numpy()):
        for column, share in enumerate(values):
            corner = (column - 0.5, row - 0.5)
            paint = Rectangle(corner, 1, 1, facecolor=LIGHT["blue"], alpha=share * deepest, linewidth=0)
            axes.add_patch(paint)
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=9)
    _rows(axes, [f"{channel} {slot}" for channel, slot in shares.index])
    axes.set_xlim(-0.5, shares.shape[1] - 0.5)
    axes.set_xticks(range(shares.shape[1]), [str(name) for name in shares.columns], rotation=40, ha="left")
    axes.tick_params(axis="x", length=0, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    told = "; ".join(
        f"{channel} slot {slot} mostly {row.idxmax()} ({percent(row.max(), 0)})"
        for (channel, slot), row in shares.iterrows()  # pyright: ignore[reportGeneralTypeIssues]
    )
    caption = f"Percent of showings by channel and slot (rows), {how} placement, learning included."
    return _plot(f"placed-{how}", figure, f"Share of categories by channel and slot, {how} placement: {told}.", caption)
