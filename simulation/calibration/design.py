"""The columns that calibration fits: what may move a click, block by block, with the prior of each block."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix, hstack

from ..response.utilities import INTEREST_CLICK
from ..scenario import Scenario
from ..text.queries import Queries
from ..text.reading import Reader
from ..visitors.audience import INTEREST_SPREAD
from .evidence import Evidence, Floats, Ints
from .examined_logit import Fit, fit_examined_logit

LOOSE, FIRM = 2.0, 0.3
"""Prior standard deviations in log-odds: of main effects, and of what single products, segments or categories add."""


@dataclass
class Design:
    """Columns by block. A block's effects are shrunk to its prior means."""

    blocks: dict[str, slice] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    _parts: list[csr_matrix] = field(default_factory=list)
    _means: list[Floats] = field(default_factory=list)
    _spreads: list[Floats] = field(default_factory=list)

    def add(
        self, name: str, columns: csr_matrix, labels: Sequence[str], spread: float, mean: Floats | float = 0.0
    ) -> None:
        """Adds a block of [n, d] columns."""
        width, first = columns.shape[1], len(self.labels)
        self.blocks[name] = slice(first, first + width)
        self.labels += [f"{name}: {label}" for label in labels]
        self._parts.append(columns)
        self._means.append(np.broadcast_to(np.asarray(mean, dtype=np.float64), width))
        self._spreads.append(np.full(width, spread))

    @property
    def matrix(self) -> csr_matrix:
        """[n, D]."""
        return hstack(self._parts, format="csr")

    @property
    def prior(self) -> tuple[Floats, Floats]:
        """Means and standard deviations, [D]."""
        return np.concatenate(self._means), np.concatenate(self._spreads)


def fit_designs(
    looks: Design, features: Design, outcomes: Floats, rows: slice = slice(None), start: Floats | None = None
) -> Fit:
    """Fits P(outcome) = exp(looks) * sigmoid(features), see `fit_examined_logit`; no blocks of looks for 1.

    Args:
        looks: E columns.
        features: D columns.
        outcomes: [n] in [0, 1].
        rows: those that are fitted.
        start: [E + D] where to begin.
    """
    matrix = looks.matrix if looks.labels else csr_matrix((len(outcomes), 0))
    priors = [design.prior for design in (looks, features) if design.labels]
    mean, spread = (np.concatenate(parts) for parts in zip(*priors, strict=True))
    return fit_examined_logit(matrix[rows], features.matrix[rows], outcomes[rows], mean, spread, start=start)


def one_hot(code: Ints, width: int, value: Floats | None = None) -> csr_matrix:
    """[n, width] with one entry a row (1, or `value`) in the column `code`; a row of zeros where it is negative."""
    rows = np.flatnonzero(code >= 0)
    entries = np.ones(len(rows)) if value is None else value[rows]
    return csr_matrix((entries, (rows, code[rows])), shape=(len(code), width))


def dense(*columns: Floats) -> csr_matrix:
    """[n, d] of d columns."""
    return csr_matrix(np.stack(columns, axis=1))


def looks_design(evidence: Evidence) -> Design:
    """Log-probability of a look by channel and slot, the top slot of each channel being looked at for sure.

    A slot's curve is common to all channels, with deviations of each that are shrunk.
    """
    design, slots = Design(), evidence.slots
    below = evidence.position - 1
    labels = [f"slot {i + 2}" for i in range(slots - 1)]
    if slots > 1:
        design.add("look", one_hot(below, slots - 1), labels, 1.0, -0.3)
        if len(evidence.channels) > 1:
            cell = np.where(below >= 0, evidence.channel * (slots - 1) + below, -1)
            named = [f"{channel}, {label}" for channel in evidence.channels for label in labels]
            design.add("look by channel", one_hot(cell, len(named)), named, FIRM)
    return design


@dataclass(frozen=True)
class Texts:
    """What the scenario's reader sees in the texts of the log, a row a text; the last row is of no text."""

    appeals: Floats
    click: Floats
    convert: Floats
    garbled: Floats
    false_facts: Floats

    @classmethod
    def read(cls, evidence: Evidence, reader: Reader) -> "Texts":
        """Reads the reference ads of the evidence's catalog."""
        reading = reader.read(evidence.catalog.ads)
        found = (reading.appeals, reading.click, reading.convert, reading.garbled, reading.false_facts)
        parts = [part.numpy().astype(np.float64) for part in found]
        return cls(*(np.concatenate([part, part[:0].sum(0, keepdims=True)]) for part in parts))


def click_design(evidence: Evidence, scenario: Scenario, texts: Texts, worn: Floats | None) -> Design:
    """Log-odds of a click given a look.

    Args:
        evidence: the log.
        scenario: names appeals and channels that bring queries, and its people are the prior of what segments like.
        texts: what is read in the log's texts.
        worn: [n] expected x / (1 + x) of past looks at the creative; None where times are unknown.
    """
    design, n = Design(), len(evidence)
    catalog, channels = evidence.catalog, evidence.channels
    category = np.array(catalog.category_of)[evidence.product]
    segment = evidence.segment_of[evidence.user]
    design.add("base", dense(np.ones(n)), ["all"], 20.0, -3.0)
    if len(channels) > 1:
        design.add("channel", one_hot(evidence.channel - 1, len(channels) - 1), channels[1:], LOOSE)
    if evidence.clock is not None and np.ptp(evidence.clock) > 12:
        angle = evidence.clock * (2 * np.pi / 24)
        for name, wave in (("hour, cos", np.cos(angle)), ("hour, sin", np.sin(angle))):
            design.add(name, one_hot(evidence.channel, len(channels), wave), channels, 1.0)
    if evidence.query is not None:
        match = query_match(evidence)
        asked = np.flatnonzero(np.bincount(evidence.channel, match, len(channels)))
        number = np.full(len(channels), -1)
        number[asked] = np.arange(len(asked))
        names = [channels[i] for i in asked]
        design.add("intent", one_hot(number[evidence.channel], len(asked), match), names, LOOSE)
        interest = asked_interests(evidence)[0]
        design.add("interest", dense(interest[evidence.user, category]), ["all"], LOOSE, INTEREST_CLICK)
    if worn is not None:
        design.add("fatigue", dense(-worn), ["all"], LOOSE)
    said = texts.appeals[evidence.text]
    if (evidence.text >= 0).any():
        design.add("appeal", csr_matrix(said), list(scenario.appeals), LOOSE)
        design.add("wording", dense(texts.click[evidence.text]), ["all"], LOOSE, 0.5)
    if texts.garbled.any():
        design.add("garbled", dense(-texts.garbled[evidence.text]), ["all"], FIRM, scenario.garbled)
    design.add("segment", one_hot(segment, len(evidence.segments)), evidence.segments, FIRM)
    design.add("product", one_hot(evidence.product, len(catalog)), [p.product_id for p in catalog.products], FIRM)
    categories = catalog.categories
    pairs = segment * len(categories) + category
    named = [f"{s}, {c}" for s in evidence.segments for c in categories]
    design.add("segment x category", one_hot(pairs, len(named)), named, FIRM)
    if (evidence.text >= 0).any():
        for name, code, names in (
            ("segment x appeal", segment, evidence.segments),
            ("category x appeal", category, categories),
        ):
            columns = [one_hot(code, len(names), said[:, k]) for k in range(said.shape[1])]
            labels = [f"{group}, {appeal}" for appeal in scenario.appeals for group in names]
            design.add(name, hstack(columns, format="csr"), labels, FIRM)
    return design


def asked_interests(evidence: Evidence) -> tuple[Floats, Floats]:
    """[U, C] interests as the users' queries tell them, and their covariance, [U, C, C]."""
    assert evidence.query is not None
    catalog, queries = evidence.catalog, Queries(evidence.catalog)
    known = {query.text: int(queries.category[i]) for i, query in enumerate(queries.all)}
    code = np.array([-1 if query is None else known.get(query, -1) for query in evidence.query])
    # One row an impression: the top slot's.
    taken = (evidence.position == 0) & (code >= 0)
    cell = evidence.user[taken] * len(catalog.categories) + code[taken]
    counts = np.bincount(cell, minlength=evidence.users * len(catalog.categories)).astype(np.float64)
    return interests_asked(counts.reshape(evidence.users, -1), evidence.segment_of, INTEREST_SPREAD)


def query_match(evidence: Evidence) -> Floats:
    """[n] how well each row's creative answers what was looked for; 0 for nothing."""
    assert evidence.query is not None
    asked = sorted({query for query in evidence.query if query is not None})
    number = {query: i for i, query in enumerate(asked)}
    catalog = evidence.catalog
    queries = Queries(catalog)
    known = {query.text: i for i, query in enumerate(queries.all)}
    code = np.array([-1 if query is None else known.get(query, -1) for query in evidence.query])
    if not number:
        return np.zeros(len(code))
    match = queries.match(catalog.ads).numpy().astype(np.float64) if catalog.ads else np.zeros((len(known), 1))
    by_text = match[code, np.maximum(evidence.text, 0)]
    category = queries.category.numpy()[code] == np.array(catalog.category_of)[evidence.product]
    plain = np.where(evidence.text >= 0, by_text, category)
    return np.where(code >= 0, plain, 0.0)


def interests_asked(counts: Floats, segment: Ints, spread: float, iterations: int = 12) -> tuple[Floats, Floats]:
    """What users' queries say of their interests: mode and covariance of the posterior.

    Queries are drawn by softmax of interests, which spread normally about their segment's. Given all of a user's
    queries, which one comes now says nothing more of the interests: with the mode as a covariate, the effect of asking
    is told from the interest of those who ask.

    Args:
        counts: [U, C] queries by category.
        segment: [U].
        spread: standard deviation of interests about their segment's mean.
        iterations: Newton steps.

    Returns:
        [U, C], of mean zero by user in the prior, and [U, C, C].
    """
    kinds, categories = int(segment.max()) + 1, counts.shape[1]
    totals = np.stack([counts[segment == s].sum(0) + 1 for s in range(kinds)])
    prior = np.log(totals / totals.sum(1, keepdims=True))
    prior = (prior - prior.mean(1, keepdims=True))[segment]
    interest, asked = prior.copy(), counts.sum(1)
    hessian = np.empty((len(counts), categories, categories))
    for _ in range(iterations):
        share = np.exp(interest - interest.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        gradient = counts - asked[:, None] * share - (interest - prior) / spread**2
        spreading = np.eye(categories)[None] * share[:, :, None] - share[:, :, None] * share[:, None]
        hessian = asked[:, None, None] * spreading + np.eye(categories)[None] / spread**2
        interest += np.clip(np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0], -1, 1)
    return interest, np.asarray(np.linalg.inv(hessian), dtype=np.float64)


def worn_by_looks(evidence: Evidence, look: Floats, recovery_hours: float) -> Floats:
    """[n] expected x / (1 + x), x the faded number of earlier looks of the user at the creative.

    Looks are not logged: each earlier showing counts with its probability of a look. The concavity of x / (1 + x) is
    allowed for to second order.
    """
    assert evidence.hours is not None
    creative = np.where(evidence.text >= 0, evidence.text, len(evidence.catalog.ads) + evidence.product)
    group = evidence.user * (int(creative.max()) + 1) + creative
    order = np.lexsort((evidence.hours, group))
    mean = _faded_before(group[order], evidence.hours[order] / recovery_hours, look[order])
    variance = _faded_before(group[order], 2 * evidence.hours[order] / recovery_hours, (look * (1 - look))[order])
    worn = np.empty(len(group))
    worn[order] = mean / (1 + mean) - variance / (1 + mean) ** 3
    return np.maximum(worn, 0.0)


def _faded_before(group: Ints, time: Floats, value: Floats) -> Floats:
    """Sum of exp(t_j - t_i) v_j over the rows j before i in its group; rows are sorted by group and time."""
    first = np.r_[True, group[1:] != group[:-1]]
    gap = np.exp(-np.where(first, 0.0, np.diff(time, prepend=time[0])))
    out = np.zeros(len(value))
    # Rows at the same depth of their group are independent: as many steps as the longest group has rows.
    start = np.flatnonzero(first)
    size = np.diff(np.r_[start, len(group)])
    for depth in range(1, int(size.max())):
        rows = start[size > depth] + depth
        out[rows] = (out[rows - 1] + value[rows - 1]) * gap[rows]
    return out
