"""How much of what tells the packages of a test apart is the headline's, the picture's, and their interplay's?

Log-odds of a click of a package are those of its test, plus a headline's part, a picture's, and a part of the two
together, all independent with variances H, P and I. What a pair of packages of one test shares then tells them apart:
the expected square of the difference, sampling noise taken off, is 2 (P + I) under one headline, 2 (H + I) under one
picture, and 2 (H + P + I) where both differ: three equations (variance components by moments, as in Henderson,
"Estimation of variance and covariance components", Biometrics 9, 1953).
"""

import numpy as np
import pandas as pd

from .contrasts import Array, effects

PAIRS = ("same_headline", "same_picture", "both_differ")
TYPICAL = 0.06
"""Square of a difference that pairs are weighed by, beside their noise; whatever it is, moments stay unbiased."""


def pair_sums(arms: pd.DataFrame) -> Array:
    """[tests, 9]: of each kind in `PAIRS` the weighted sum of half squared differences less their noise, the sum of
    weights, and the number of pairs.

    Args:
        arms: `Archive.arms`, a row a package: `test_id, group` (what else but the text was shown: the picture), `text`,
            `impressions, clicks`.
    """
    test, text = pd.factorize(arms.test_id)[0], pd.factorize(arms.text)[0]
    shown, clicks = arms.impressions.to_numpy(np.float64), arms.clicks.to_numpy(np.float64)
    effect, weight = effects(shown, clicks, test)
    rows = pd.DataFrame({"test": test, "text": text, "picture": arms.group, "effect": effect, "noise": 1 / weight})
    pairs = rows.reset_index().merge(rows.reset_index(), on="test", suffixes=("", "_2"))
    pairs = pairs[pairs["index"] < pairs.index_2]
    headline, picture = pairs.text == pairs.text_2, pairs.picture == pairs.picture_2
    kind = np.where(headline & ~picture, 0, np.where(picture & ~headline, 1, 2))
    noise = pairs.noise + pairs.noise_2
    own = 1 / (noise + TYPICAL) ** 2
    half = ((pairs.effect - pairs.effect_2) ** 2 - noise) / 2
    found = np.zeros((int(test.max()) + 1, len(PAIRS), 3))
    np.add.at(found, (pairs.test, kind), np.stack([own * half, own, np.ones(len(pairs))], axis=1))
    return found.reshape(len(found), -1)


def parts(sums: Array) -> dict[str, Array]:
    """Variances of log-odds, from sums over tests, [..., 9] -> [...] each; NaN where a kind of pair is missing.

    Returns:
        `headline`, `picture`, `interplay`, and each one's share of the three together (`headline_share`, ...).
    """
    kinds = sums.reshape(*sums.shape[:-1], len(PAIRS), 3)
    one_headline, one_picture, neither = np.moveaxis(kinds[..., 0] / kinds[..., 1], -1, 0)
    found = {
        "headline": neither - one_headline,
        "picture": neither - one_picture,
        "interplay": one_headline + one_picture - neither,
    }
    return found | {f"{name}_share": value / neither for name, value in found.items()}
