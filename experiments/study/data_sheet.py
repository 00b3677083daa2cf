"""What a study rests on, for its report: products, texts, people, feedback, and what is not in them."""

from ...simulation.world_file import is_world_file
from ..harness.files import own_name
from .options import StudyOptions
from .private import told_privacy
from .study import Study


def data_sheet(study: Study, options: StudyOptions) -> dict[str, dict[str, str]]:
    """Facts by heading, as the data sheet of the report shows them."""
    return {"Texts": _texts(study, options), "People and feedback": _people(study, options)}


def _texts(study: Study, options: StudyOptions) -> dict[str, str]:
    catalog, ads = study.catalog, study.catalog.ads
    products = {product.product_id for product, _ in study.asked}
    source = options.data.archive or options.data.catalog
    words = sum(len(ad.text.split()) for ad in ads) / max(len(ads), 1)
    return {
        "Source": own_name(source) if source else scenario_name(options),
        "Products": f"{len(catalog):,} in {len(catalog.categories)} categories; {len(products):,} are written for",
        "Texts it starts from": f"{len(ads):,}, {len({ad.text for ad in ads}):,} different, {words:.1f} words each"
        + _whose(options),
        "Prompts": f"{len(study.asked):,}: a product and an audience ({', '.join(study.audiences)})",
        "Checked for": "format and consistency; not for truth, fairness or rights: a person has to",
    }


def _whose(options: StudyOptions) -> str:
    if options.data.catalog is None:
        return ""
    yours = "your ads and " if options.data.ads or options.data.logs else ""
    return f": {yours}the scenario's phrases, filled in for your products"


def scenario_name(options: StudyOptions) -> str:
    """Where a world is from, in words."""
    name = options.world.scenario
    if is_world_file(name):
        return f"the world fitted by calibrate, {own_name(name)}"
    return f"built-in scenario {name}" if options.world.built_in else f"scenario file {own_name(name)}"


def _rates(study: Study, options: StudyOptions) -> str:
    if options.data.archive or is_world_file(options.world.scenario):
        return "as fitted"
    scenario = study.world.scenario
    return f"CTR {scenario.ctr:.1%}, CVR {scenario.cvr:.1%} of the texts it starts from, placed uniformly, as set"


def _who(options: StudyOptions) -> str:
    if is_world_file(options.world.scenario):
        return "simulated, one for each user of the log that the world was fitted to: their habits, not their names"
    return "simulated: nobody real is in them"


def _people(study: Study, options: StudyOptions) -> dict[str, str]:
    world, scenario = study.world, study.world.scenario
    segments = ", ".join(f"{name} {segment.share:.0%}" for name, segment in scenario.segments.items())
    channels = ", ".join(f"{name} {channel.share:.0%}" for name, channel in scenario.channels.items())
    if options.data.archive is not None:
        learned = f"A/B tests in {own_name(options.data.archive)}"
    elif options.data.logs is not None:
        apart = "the last tenth is held out" if study.budget is None else "a fifth validates the writer"
        learned = f"logged impressions in {own_name(options.data.logs)}; {apart}"
    else:
        shown = f"ads and {study.pilot:,} texts of the untuned writer" if study.pilot else "ads"
        visits = f"{options.feedback.log_impressions:,} simulated visits"
        learned = f"{visits}, {shown} placed at random; a tenth is held out"
    private = {} if study.budget is None else {"Privacy": told_privacy(study.budget)}
    return {
        "Users": f"{len(world.audience):,}, {_who(options)}",
        "Segments": segments,
        "Channels": f"{channels}; {world.slots} slot{'s' * (world.slots > 1)}",
        "Rates": _rates(study, options),
        "The effect model learned from": learned,
        **private,
        "The gold, which judges,": "is the world's own response; nothing that is trained sees it",
    }
