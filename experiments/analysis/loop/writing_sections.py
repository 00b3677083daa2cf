"""Sections of the report on what was written: proxy and gold, tuning, diversity, texts, the effect model."""

from ....policies.reward.diversity import compression_ratio, distinct
from ..drawing.formats import gain, number, percent
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table
from . import findings, gallery, plots


def proxy_gold(run: RunFiles) -> Section | None:
    """What the writer was trained on against what it is judged by."""
    curve = run.summary.get("proxy_gold") or []
    if len(curve) < 2:
        return None
    found = run.summary.get("over_optimisation") or {}
    alarms = [alarm for alarm in (findings.over_optimised(curve), found.get("alarm")) if alarm]
    text = [
        "The writer is trained on the effect model's word (proxy) and judged by the world (gold). "
        "A proxy that rises while the gold falls means that the writer exploits errors of the effect model.",
        *findings.chosen_weights(run.summary),
    ]
    tables = []
    if run.both_writers:
        gains = gallery.mean_gains(run.creatives).iloc[0]
        rows = [[name.upper(), gain(gains[f"proxy_{name}"]), gain(gains[f"gold_{name}"])] for name in ("ctr", "cvr")]
        tables = [
            Table("Gain of the mean text's rate", ["Rate", "Promised (proxy)", "Delivered (gold)"], rows),
            _gains_by_audience(run),
        ]
    return Section("Promised and delivered", text, alarms, [plots.proxy_gold_plot(curve)], tables)


def _gains_by_audience(run: RunFiles) -> Table:
    gains = gallery.mean_gains(run.creatives, "audience")
    rows = [
        [str(audience), *(gain(row[name]) for name in ("proxy_ctr", "gold_ctr", "proxy_cvr", "gold_cvr"))]
        for audience, row in gains.iterrows()
    ]
    columns = ["Audience", "CTR, promised", "CTR, delivered", "CVR, promised", "CVR, delivered"]
    return Table("The same by audience", columns, rows)


def learning(run: RunFiles) -> Section | None:
    """Reward terms and KL along the tuning."""
    metrics, drawn, tuner = run.metrics, [], run.summary.get("tuner") or {}
    step = f"{tuner.get('label', '')} update".strip()
    text = [f"Tuned by {tuner['label']}: {tuner['settings']}."] if tuner else []
    if "reward" in metrics:
        drawn.append(plots.reward_plot(metrics, step))
    if "kl" in metrics:
        drawn.append(plots.kl_plot(metrics, step, tuner.get("kl_target")))
    if run.summary.get("warm_start_loss") is not None:
        text.append(f"The warm start ended at {number(run.summary['warm_start_loss'])} nats a token.")
    if "raw/failures" in metrics:
        failures = metrics["raw/failures"].dropna()
        text.append(
            "Failed quality checks per text (length, repetition, shouting, naming the wrong product and such): "
            f"{number(failures.iloc[0])} in the first update, {number(failures.iloc[-1])} in the last."
        )
    return Section("How the writer was tuned", text, plots=drawn) if drawn else None


def diversity(run: RunFiles) -> Section | None:
    """How varied both writers are."""
    rows = []
    scores = run.summary.get("diversity", {})
    if {"untuned", "tuned"} <= scores.keys():
        vendi = (number(scores[writer], 1) for writer in ("untuned", "tuned"))
        rows.append(["Vendi score (effective number of texts)", *vendi])
    if commonest := run.summary.get("commonest_pattern"):
        shares = (percent(commonest[writer], 1) for writer in ("untuned", "tuned"))
        rows.append(["Texts of the commonest pattern, the product's own words masked", *shares])
    if run.both_writers:
        texts = [run.creatives.loc[run.creatives["writer"] == writer, "text"] for writer in ("untuned", "tuned")]
        words = [part.str.lower().str.split() for part in texts]
        rows += [
            ["Different texts", *(percent(part.nunique() / len(part)) for part in texts)],
            ["Different word pairs (distinct-2)", *(percent(distinct(part.tolist())) for part in words)],
            ["Compression ratio (lower is more varied)", *(number(compression_ratio(part.tolist())) for part in texts)],
            ["Words a text", *(number(part.str.len().mean(), 1) for part in words)],
        ]
    if not rows:
        return None
    count = run.summary.get("texts")
    caption = "Diversity" + (
        f" of {count:,} texts of each writer, same prompts" if count else " of both writers' texts"
    )
    return Section("Diversity", tables=[Table(caption, ["Measure", "Untuned", "Tuned"], rows)])


def claims(run: RunFiles) -> Section | None:
    """What texts claim without support in the catalog, and the texts that say it."""
    share, alarms = run.summary.get("false_claims"), findings.garbled(run.summary)
    if not share or "claims" not in run.creatives:
        return Section("Claims and readability", alarms=alarms) if alarms else None
    text = [
        f"{percent(share['untuned'])} of the untuned and {percent(share['tuned'])} of the tuned writer's texts claim a "
        "number, price, material, brand, warranty, discount, deadline or superlative that no field of the product "
        "supports. Words are read, not meaning: some are called that are harmless, and some are missed."
    ]
    if read := run.summary.get("readable"):
        text.append(
            f"{percent(read['untuned'])} of the untuned and {percent(read['tuned'])} of the tuned writer's texts are "
            "not garbled to the simulated users, whom what is garbled loses. They notice most broken English, and no "
            "nonsense: a person has to read the texts."
        )
    wrong = run.creatives[(run.creatives["writer"] == "tuned") & (run.creatives["claims"] != "")].head(12)
    rows = [[row.text, row.claims] for row in wrong.itertuples(index=False)]
    tables = (
        [Table("Texts of the tuned writer that claim too much", ["Text", "Claim"], rows, prose=True)] if rows else []
    )
    return Section("Claims and readability", text, alarms, tables=tables)


def texts(run: RunFiles) -> Section | None:
    """Texts of both writers for the same prompts."""
    pairs = gallery.gallery(run.creatives, run.pictures) if run.both_writers else []
    if not pairs:
        return None
    won = gallery.prompts_won(run.creatives)
    text = [
        f"{len(pairs)} prompts: products at even steps through the catalog's order, their audiences in turn, and of "
        "each prompt the first text. The rule looks at no text and no figure.",
        "Over all prompts, tuning "
        + " and ".join(
            f"raised the true {name.upper()} in {percent(raised, 0)} (lowered it in {percent(lowered, 0)})"
            for name, (raised, lowered) in won.items()
        )
        + ".",
        "True is what the simulated users would do (the gold): in the top slot, at first sight, of those the text is "
        "written for, who in a search look for such a thing. Rates of a log are lower: people there have seen texts "
        "before, and look for other things. Expected is what the effect model had "
        "learned from clicks (the proxy), in an average slot: compare untuned with tuned, not one with the other. The "
        "reward is what tuning paid for: effect and novelty, against the untuned writer's usual text, less what each "
        "failed check costs. Why: by how much the effect model expects the text to earn more for a word, or for how it "
        "is put, than without.",
    ]
    if (run.summary.get("chosen") or {}).get("step") == 0:
        text.append(
            "No tuned weights were kept here: texts marked tuned are the untuned writer's, chosen among several by "
            "what the effect model expects of them."
        )
    return Section("Texts before and after", text, pairs=pairs)


ON_LOGS = {
    "Log-loss (nats)": ("log_loss", 4),
    "Log-loss of the constant rate": ("base_log_loss", 4),
    "AUC": ("auc", 3),
    "Calibration error": ("calibration_error", 3),
    "Precision": ("precision", 3),
    "Recall": ("recall", 3),
    "F1": ("f1", 3),
}
"""Names, keys and digits of what an effect model is measured by on a log."""
ON_TESTS = {
    "Pairs of texts of one test": ("pairs", 0),
    "Better text named": ("accuracy", 3),
    "Pairs with |z| > 1.96": ("significant_pairs", 0),
    "Better text named, of these": ("accuracy_significant", 3),
    "Slope of true on predicted differences": ("slope", 2),
    "True variance explained": ("explained", 3),
}
"""The same on an archive of A/B tests."""


def effect_model(run: RunFiles) -> Section | None:
    """How well the source of the reward predicts."""
    heads = {name: head for name, head in (run.summary.get("effect_model") or {}).items() if head}
    if not heads:
        return None
    on_logs = any("log_loss" in head for head in heads.values())
    rows = [
        [name, *(number(head[key], digits) if key in head else "not defined" for head in heads.values())]
        for name, (key, digits) in (ON_LOGS if on_logs else ON_TESTS).items()
    ]
    columns = ["Measure", *({"click": "Click", "convert": "Conversion"}.get(name, name) for name in heads)]
    text = ["It is the writer's only source of reward."]
    if on_logs:
        text.append(
            "Conversion is given a click. Calibration error is relative to the base rate; precision, recall and F1 are "
            "taken where as many are called as there are."
        )
    table = Table("Quality on feedback that it has not seen", columns, rows)
    return Section("The effect model", text, findings.blind_heads(heads), tables=[table])
