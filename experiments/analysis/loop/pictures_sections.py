"""The section of the report on pictures: what text and picture gain, alone, one after the other and jointly."""

from collections.abc import Mapping
from typing import Any

from ..drawing.formats import gain, gain_range, number, number_range, percent
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table, told_by


@told_by("pictures")
def pictures(run: RunFiles, told: Mapping[str, Any]) -> Section:
    """Text and picture, in what is written and in where it is shown."""
    more = told["jointly_more"]
    source = "drawn for this run" if told["drawn"] else "of the catalog"
    text = [
        f"{told['pictures']:,} pictures {source}, seen by the effect model through {told['seen_by']}. "
        "How much a picture counts beside the text was measured in real tests of headlines and pictures.",
        "Each way chooses with the effect model's word alone and is judged by the simulated users, against the untuned "
        "writer's texts beside each product's first picture. One after the other: the text is chosen beside the first "
        f"picture, then the picture for it. Jointly: the best pair. {percent(told['changed'], 0)} of the texts chosen "
        "jointly stand beside another than the first picture.",
        f"Jointly over one after the other: reward {gain(more['mean'])} ({gain_range(more)}).",
    ]
    rows = [
        [name[0].upper() + name[1:], *(f"{gain(lift[rate]['mean'])} ({gain_range(lift[rate])})" for rate in RATES)]
        for name, lift in told["ways"].items()
    ]
    tables = [Table("Gain over untuned texts beside first pictures", ["Chosen", "CTR", "CVR", "Reward"], rows)]
    if placing := told.get("placing"):
        text.append(
            "Placing: a bandit chooses among the tuned texts and pictures of some products for every slot, and learns "
            "from what is clicked. Capture is the share that it reaches of what the best choice earns beyond chance, "
            "among all texts beside all pictures; its learning counts."
        )
        tables.append(_placing(placing))
    alarms = [] if more["high"] >= 0 else ["Choosing text and picture jointly earned less than one after the other."]
    return Section("Text and picture", text, alarms, tables=tables)


RATES = ("ctr", "cvr", "reward")


def _placing(placing: Mapping[str, Any]) -> Table:
    rows = [
        [
            name[0].upper() + name[1:],
            number(found["reward"]["mean"], 4),
            number_range(found["reward"]),
            f"{percent(found['capture']['mean'], 0)}",
            f"{percent(found['capture']['low'], 0)} to {percent(found['capture']['high'], 0)}",
        ]
        for name, found in placing.items()
    ]
    return Table("What a bandit earns", ["It chooses", "Reward", "95% interval", "Capture", "95% interval"], rows)
