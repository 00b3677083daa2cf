"""Segments found in what users do: clusters of their behaviour, what sets each apart, and a name that says it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from ..data.catalog import EVERYONE, Catalog
from ..data.errors import InputError
from .audience import Audience

Method = Literal["kmeans", "mixture"]
Number = int | Literal["auto"]

MOST = 8
"""Segments tried when the number is to be found."""
SAMPLE = 2000
"""Users that the silhouette is taken on; it compares all pairs."""
TELLING = 0.25
"""Standard deviations from the average user at which something is worth naming."""
PRIOR = 3.0
"""Clicks and impressions at everybody's shares that each logged user is given, so that one click makes no taste."""


@dataclass(frozen=True)
class Behaviour:
    """What U users were seen to do: `values` has a row a user and a column for each of `kinds`."""

    values: pd.DataFrame
    """Shares in [0, 1] and counts; the index names the users."""
    kinds: dict[str, tuple[str, str]]
    """By column, how to call users who show much of it, and little ("" where little is not worth a word)."""

    def scaled(self) -> NDArray[np.float64]:
        """[U, columns]: counts as logarithms, every column at mean 0 and deviation 1."""
        table = self.values.to_numpy(np.float64, copy=True)
        counts = [i for i, (_, little) in enumerate(self.kinds.values()) if little]
        table[:, counts] = np.log1p(table[:, counts])
        return StandardScaler().fit_transform(table)


@dataclass(frozen=True)
class Segments:
    """A division of users."""

    names: tuple[str, ...]
    label: NDArray[np.int64]
    """[U] index into `names`, in the order of the behaviour's users."""
    profile: pd.DataFrame
    """A row a segment: `segment`, `users`, `share`, and the mean of each behaviour."""


def audience_behaviour(audience: Audience, categories: Sequence[str]) -> Behaviour:
    """What a site has seen of its users: shares of page views by category, page views, purchases."""
    browsing, purchases = audience.browsing.double().cpu(), audience.purchases.double().cpu()
    views = browsing.sum(1)
    values = pd.DataFrame((browsing / views.clamp(min=1)[:, None]).numpy(), columns=list(categories))
    values = values.assign(views=views.numpy(), purchases=purchases.sum(1).numpy())
    return Behaviour(values, _interests(categories) | {"views": OFTEN["visits"], "purchases": OFTEN["buys"]})


def log_behaviour(log: pd.DataFrame, catalog: Catalog) -> Behaviour:
    """What the users of a log did (see `logs.read_log`): shares of clicks by category and of visits by channel,
    visits, and purchases where the log has conversions. Few clicks are drawn to everybody's shares.
    """
    category = np.array(catalog.categories)[[catalog.category_of[catalog.index[p]] for p in log.product_id]]
    clicked, visits = log.clicked == 1, log.drop_duplicates("impression_id")
    users = pd.Index(log.user_id.unique(), name="user_id")  # in the order in which they came: names decide nothing
    visits = log.drop_duplicates("impression_id")
    parts = [
        _shares(log.user_id[clicked], pd.Series(category, log.index)[clicked], users),
        _shares(visits.user_id, visits.channel, users),
    ]
    parts[1].columns = [f"by {name}" for name in parts[1].columns]
    values = pd.concat(parts, axis=1)
    kinds = _interests([*parts[0].columns, *parts[1].columns])
    values["visits"] = log.groupby("user_id").impression_id.nunique().reindex(users)
    kinds["visits"] = OFTEN["visits"]
    if "converted" in log:
        values["purchases"] = log.groupby("user_id").converted.sum().reindex(users)
        kinds["purchases"] = OFTEN["buys"]
    return Behaviour(values, kinds)


OFTEN = {what: (f"{what} often", f"{what} rarely") for what in ("visits", "buys")}


def find_segments(behaviour: Behaviour, number: Number, method: Method = "kmeans", seed: int = 0) -> Segments:
    """Clusters users by their behaviour; columns count alike.

    Args:
        behaviour: what was seen of U users.
        number: of segments, or auto: from 2 to 8, by the silhouette (Rousseeuw, J. Comput. Appl. Math. 20, 1987) for
            k-means, and by BIC for the mixture.
        method: k-means, or a mixture of Gaussians with diagonal covariances.
        seed: of the starts.

    Returns:
        The segments, the largest first. Users who all do the same are one segment, everyone.

    Raises:
        InputError: more segments than users who differ.
    """
    table = behaviour.scaled()
    different = len(np.unique(table, axis=0))
    if different < 2:
        return describe(behaviour, np.zeros(len(table), dtype=np.int64), (EVERYONE,))
    if number != "auto" and number > different:
        raise InputError(f"--segments {number}: only {different} users differ in what they did; give fewer")
    tried = range(2, min(MOST, different - 1) + 1) if number == "auto" else [number]
    found = [_cluster(table, k, method, seed) for k in tried] or [_cluster(table, 2, method, seed)]
    label = max(found, key=lambda one: one[0])[1]
    kept, label, sizes = np.unique(label, return_inverse=True, return_counts=True)
    rank = np.empty(len(kept), dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(kept))
    label = rank[label]
    centres = np.stack([table[label == k].mean(0) for k in range(len(kept))])
    return describe(behaviour, label, _names(centres, list(behaviour.kinds.values())))


def describe(behaviour: Behaviour, label: NDArray[np.int64], names: Sequence[str]) -> Segments:
    """The profile of a division, found or declared."""
    means = behaviour.values.groupby(label).mean().reindex(range(len(names)))
    users = np.bincount(label, minlength=len(names))
    head = pd.DataFrame({"segment": names, "users": users, "share": users / len(label)})
    return Segments(tuple(names), label, pd.concat([head, means.reset_index(drop=True)], axis=1))


def with_segments(audience: Audience, segments: Segments) -> Audience:
    """The same users, observed to be of these segments."""
    return replace(audience, segments=segments.names, segment=torch.from_numpy(segments.label).to(audience.segment))


def _cluster(table: NDArray[np.float64], k: int, method: Method, seed: int) -> tuple[float, NDArray[np.int64]]:
    """How good k clusters are, more is better, and whose each user is."""
    if method == "mixture":
        mixture = GaussianMixture(k, covariance_type="diag", reg_covar=1e-3, n_init=3, random_state=seed).fit(table)
        return -float(mixture.bic(table)), mixture.predict(table)
    label = KMeans(k, n_init=10, random_state=seed).fit_predict(table)
    if not 1 < len(np.unique(label)) < len(table):
        return -1.0, label
    return float(silhouette_score(table, label, sample_size=min(SAMPLE, len(table)), random_state=seed)), label


def _names(centres: NDArray[np.float64], kinds: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """A name for each centre: at most two interests and two habits that set it apart, the most telling first."""
    names: list[str] = []
    for centre in centres:
        said = [(abs(z), much if z > 0 else little) for z, (much, little) in zip(centre, kinds, strict=True)]
        telling = [(word, bool(kind[1])) for (z, word), kind in zip(said, kinds, strict=True) if word and z >= TELLING]
        strength = {word: z for z, word in said}
        telling.sort(key=lambda item: -strength[item[0]])
        interests = " and ".join([word for word, habit in telling if not habit][:2])
        habits = [word for word, habit in telling if habit][:2]
        name = ", ".join(part for part in (interests, *habits) if part) or "average"
        names.append(name if name not in names else f"{name} {sum(n.startswith(name) for n in names) + 1}")
    return tuple(names)


def _interests(categories: Sequence[str]) -> dict[str, tuple[str, str]]:
    return {name: (name, "") for name in categories}


def _shares(user: pd.Series, what: pd.Series, users: pd.Index) -> pd.DataFrame:
    """[U, kinds] shares of what each user did, drawn to everybody's by `PRIOR` of it."""
    counts = pd.crosstab(user, what).reindex(users, fill_value=0)
    overall = counts.sum() / max(counts.to_numpy().sum(), 1)
    return (counts + PRIOR * overall).div(counts.sum(axis=1) + PRIOR, axis=0)
