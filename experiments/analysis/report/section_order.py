"""The sections of a report, in the order in which they stand on its page."""

from collections.abc import Callable, Sequence

from ..abtest import sections as abtest_sections
from ..article import sections as case_sections
from ..comparison import sections as comparison_sections
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section
from ..fairness import sections as fairness_sections
from ..fit import sections as fit_sections
from ..headlines import sections as headline_sections
from ..loop import (
    compliance_sections,
    pictures_sections,
    placement_sections,
    rounds_sections,
    story,
    traffic_sections,
    tuning_sections,
    writing_sections,
)
from ..loop.segments_sections import segments_section
from ..off_policy import sections as offline_sections
from . import run_sections, sweep_sections

SECTIONS: Sequence[Callable[[RunFiles], Section | None]] = (
    sweep_sections.trials,
    fit_sections.later_days,
    fit_sections.another_policy,
    fit_sections.spread,
    fit_sections.picture_and_text,
    abtest_sections.verdicts,
    headline_sections.scores,
    headline_sections.ads,
    headline_sections.prediction,
    headline_sections.placing,
    headline_sections.testing,
    headline_sections.matters,
    case_sections.beside_the_article,
    case_sections.robustness,
    writing_sections.texts,
    pictures_sections.pictures,
    rounds_sections.rounds,
    placement_sections.grid,
    placement_sections.placed,
    segments_section,
    fairness_sections.wording,
    placement_sections.placement,
    writing_sections.learning,
    writing_sections.diversity,
    writing_sections.proxy_gold,
    comparison_sections.agents,
    comparison_sections.differences,
    comparison_sections.real_tests,
    fairness_sections.price,
    fairness_sections.shown_to_whom,
    traffic_sections.traffic,
    traffic_sections.new_creatives,
    offline_sections.estimates,
    fairness_sections.of_logs,
    run_sections.speed,
    tuning_sections.ways,
    tuning_sections.pareto,
    tuning_sections.attacks,
    compliance_sections.refused,
    compliance_sections.verdicts,
    writing_sections.claims,
    writing_sections.effect_model,
    story.go_on,
    run_sections.wall_time,
    run_sections.facts_of_data,
    run_sections.settings,
)
"""Each gives None where its files are absent from a run. Those of a loop are in the order in which people ask: the ads;
where they were shown, and to whom; what it cost; what to doubt; how to go on."""
