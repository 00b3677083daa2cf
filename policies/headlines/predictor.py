"""A predictor of headlines to take along: what it says of texts nobody has tested, how sure it is, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ...simulation.archive.contrasts import agreement, effects, pairs
from ...simulation.data.errors import InputError
from ...simulation.data.files import check_folder, read_checked, write_folder
from ...simulation.data.tensor_file import as_one, in_parts, load_tensors, save_tensors
from ...simulation.text.ngrams import Ngrams
from ..effect.reasons import reasons
from .encoder import Encoder
from .model import Array, CrossFit, HeadlineModel
from .ranking import chance_of_best, click_rate
from .view_state import state_of, views_of

FORMAT_VERSION = 1
FILE, CARD = "predictor.safetensors", "README.md"
PACKAGED_FOLDER = Path(__file__).parent / "weights"
"""Of the predictor that comes along."""
REMEDY = "make it anew with `copybandit headlines`"
WIDTH = 1.96
"""Standard deviations to each side of a 95% interval."""
LITTLE = 0.5
"""Share of known n-grams below which a text is unlike most that were learned from."""


@dataclass(frozen=True)
class Calibration:
    """What tests of such texts look like, in log-odds of a click; from texts whose stories the model had not seen."""

    level: float
    """Mean over tests."""
    level_deviation: float
    """Standard deviation of tests."""
    trust: float
    """A text's own effect, a unit predicted."""
    deviation: float
    """Standard deviation of that effect around what was predicted."""
    middle: float
    """What is predicted of texts on average."""
    covered: float
    """Share of pairs whose measured difference lay in the interval that was told of it, sampling noise included: 0.95
    where intervals are right."""

    @classmethod
    def of(cls, arms: pd.DataFrame, unseen: Array) -> "Calibration":
        """By moments.

        Args:
            arms: `Archive.contrasts`.
            unseen: [arms] predictions by models that had not seen the arm's story.
        """
        shown, clicks = arms.impressions.to_numpy(np.float64), arms.clicks.to_numpy(np.float64)
        group = arms.group.to_numpy()
        rates = (np.bincount(group, clicks) + 1) / (np.bincount(group, shown) + 60)
        levels = np.log(rates / (1 - rates))
        found = agreement(arms, unseen)
        deviation = found.true_deviation * max(1 - found.explained, 0.0) ** 0.5
        trust = max(found.slope, 0.0)
        effect, weight = effects(shown, clicks, group)
        first, second, _ = pairs(shown, clicks, group)
        missed = (effect[first] - effect[second]) - trust * (unseen[first] - unseen[second])
        noise = np.sqrt(2 * deviation**2 + 1 / weight[first] + 1 / weight[second])
        covered = float((np.abs(missed) < WIDTH * noise).mean())
        level, spread = float(levels.mean()), float(levels.std())
        return cls(level, spread, trust, deviation, float(unseen.mean()), covered)


@dataclass(frozen=True)
class Predictor:
    """A model of headlines, and how far it is to be trusted."""

    model: HeadlineModel
    calibration: Calibration
    encoder: str = ""
    """Whose vectors it reads, see `Encoder.name`; or none."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from, for its card."""
    usual: float = LITTLE
    """Share of known n-grams below which a text is unlike those learned from: `LITTLE`, or what all but one in a
    hundred of these have; of a small archive most n-grams are too rare to be known."""

    @classmethod
    def of(cls, fit: CrossFit, arms: pd.DataFrame, encoder: str, facts: Mapping[str, Any]) -> "Predictor":
        """From a fit to the contrasts of an archive."""
        found = cls(fit.model, Calibration.of(arms, fit.unseen), encoder, facts)
        own = found._familiar(arms.text.drop_duplicates().tolist())
        return replace(found, usual=min(LITTLE, float(np.quantile(own, 0.01))))

    def predict(self, texts: Sequence[str], tests: Sequence[str] | None = None) -> pd.DataFrame:
        """What the texts would earn, and which is best.

        Args:
            texts: n of them.
            tests: the test that each stands in; by default all stand in one.

        Returns:
            A row a text: `rate` in a test at the middle level, with `rate_low` and `rate_high` over tests; `lift` over
            the mean rate of the test's texts (over that of all texts of the archive, where it stands alone), with
            `lift_low` and `lift_high`; `best`, the chance that it is the best of its test (NaN where it is alone);
            `familiar`, the share of its n-grams of characters that the model has seen. Intervals are 95%.
        """
        groups = pd.factorize(pd.Series(list(tests) if tests is not None else [""] * len(texts)))[0]
        predicted, known = self.model.predict(texts), self.calibration
        effect = known.trust * (predicted - known.middle)
        mean = known.level + effect
        rows = pd.DataFrame({"rate": click_rate(mean)})
        wide = WIDTH * (known.level_deviation**2 + known.deviation**2) ** 0.5
        rows["rate_low"], rows["rate_high"] = click_rate(mean - wide), click_rate(mean + wide)
        size = np.bincount(groups)[groups]
        against = np.bincount(groups, rows.rate)[groups] / size
        against = np.where(size > 1, against, click_rate(known.level))
        # A text is part of the mean that it is held against, and both move together.
        own = WIDTH * known.deviation * np.where(size > 1, np.sqrt(1 - 1 / size), 1.0)
        for name, bound in (("lift", mean), ("lift_low", mean - own), ("lift_high", mean + own)):
            rows[name] = click_rate(bound) / against - 1
        rows["best"] = np.nan
        for own_group in np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1]):
            if len(own_group) > 1:
                rows.loc[own_group, "best"] = chance_of_best(effect[own_group], known.deviation)
        rows["familiar"] = self._familiar(texts)
        return rows

    def reasons(self, texts: Sequence[str], most: int = 3) -> list[list[tuple[str, float]]]:
        """What moves each text's rate most, see `effect/reasons.py`."""
        return reasons(texts, lambda some, _: self.calibration.trust * self.model.predict(some), most)

    def _familiar(self, texts: Sequence[str]) -> Array:
        # Skeletons know nearly everything: a word that is not frequent is its ending there.
        views = [view for view in self.model.views.values() if isinstance(view, Ngrams) and view.cut is None]
        return views[0].familiar(texts) if views else np.ones(len(texts))

    def save(self, folder: str | Path) -> None:
        """Writes a folder that `load` reads: tensors, facts, and a card.

        Raises:
            InputError: the model reads what cannot be kept (the states of a writer).
        """
        model = self.model
        state = {
            "views": state_of(model.views),
            "weights": dict(model.weights),
            "certainty": model.certainty,
            "shares": dict(model.shares),
            "calibration": asdict(self.calibration),
            "encoder": self.encoder,
            "facts": dict(self.facts),
            "usual": self.usual,
        }
        tensors, facts = in_parts(state)

        def write(into: Path) -> None:
            save_tensors(into / FILE, tensors, facts, kind="predictor", format_version=FORMAT_VERSION)
            (into / CARD).write_text(_card(self), encoding="utf-8")

        write_folder(Path(folder), write)

    @classmethod
    def load(cls, folder: str | Path | None = None, device: torch.device | str = "cpu") -> "Predictor":
        """Reads a predictor.

        Args:
            folder: that `save` wrote; without one, the predictor that comes with the package.
            device: where an encoder computes.

        Raises:
            InputError: no such folder, a torn one, one of another format, or one whose encoder is not installed.
        """
        path = PACKAGED_FOLDER if folder is None else Path(folder)
        if not (path / FILE).is_file():
            raise InputError(
                f"{path}: no predictor; give the predictor/ of `copybandit headlines`, or the effect/ of a run"
            )
        check_folder(path, REMEDY)
        tensors, facts = load_tensors(
            path / FILE, kind="predictor", format_version=FORMAT_VERSION, remedy=REMEDY, finite=True
        )
        return read_checked(path / FILE, lambda _: cls._of_state(as_one(tensors, facts), device), REMEDY)

    @classmethod
    def _of_state(cls, state: Mapping[str, Any], device: torch.device | str) -> "Predictor":
        encoder = Encoder.named(state["encoder"], device)
        views = views_of(state["views"], None if encoder is None else encoder.layer)
        model = HeadlineModel(views, state["weights"], state["certainty"], state["shares"])
        known = (Calibration(**state["calibration"]), state["encoder"], state["facts"])
        predictor = cls(model, *known, state.get("usual", LITTLE))
        predictor.predict(["a text"])  # parts that do not fit each other are found out here
        return predictor


def _card(predictor: Predictor) -> str:
    calibration, facts = predictor.calibration, predictor.facts
    lines = [f"| {name} | {value} |" for name, value in facts.items()]
    return "\n".join(
        [
            "# Predictor of headlines",
            "",
            "Says of headlines that nobody has tested which would be clicked more, how sure that is, and why:",
            "`copybandit score TEXTS.csv --predictor DIR`.",
            "",
            "| | |",
            "|---|---|",
            *lines,
            f"| sentence vectors | {predictor.encoder or 'none'} |",
            f"| effect a unit predicted | {calibration.trust:.2f} |",
            f"| log-odds around it, one standard deviation | {calibration.deviation:.3f} |",
            f"| measured differences inside the 95% interval, on stories not seen | {calibration.covered:.1%} |",
            "",
            "It knows differences between headlines of one story, of the kind that it learned from, and nothing of",
            "what is true, fair or fit to print. It must not judge people, or be the only reason to publish.",
            "",
        ]
    )
