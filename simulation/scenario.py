"""A scenario: the trade, its language and its people as data (a YAML file and two tables), checked on reading."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .data.catalog import Catalog, read_phrases, read_queries
from .data.errors import InputError
from .data.strict_yaml import read_strict_yaml

BUILT_IN = Path(__file__).parent / "scenarios"

FILES = ("catalog", "ads", "phrases", "queries")
"""Fields that name a file, relative to the scenario's own."""

Share = Annotated[float, Field(gt=0, le=1)]
Chance = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]
Weights = dict[str, float]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Social(_Part):
    """Chances that a look ends in a like, a comment or a share, of an ad of average appeal."""

    like: Chance = 0.0
    comment: Chance = 0.0
    share: Chance = 0.0


class Channel(_Part):
    """Where ads are shown: its traffic, how easily it is clicked, how far down its slots are read, what it costs."""

    share: Share
    base: float = 0.0
    intent: float = 0.0
    examination: list[Share] = Field(min_length=1)
    daily: float = 0.0
    """Amplitude of the click's log-odds over the day; most at `peak_hour`."""
    peak_hour: Annotated[float, Field(ge=0, lt=24)] = 20.0
    competitors: NonNegative = 0.0
    """Pull of the ads of others beside ours; 1 is as much as one of ours. It varies from visit to visit."""
    cost_per_thousand: NonNegative = 0.0
    """Price of a thousand slots shown."""
    cost_per_click: NonNegative = 0.0
    social: Social = Social()


class Appeal(_Part):
    """One thing a text can say for a product, the words that say it, and its weight after the click."""

    words: list[str] = Field(min_length=1)
    convert: float = 0.0


class Segment(_Part):
    """A kind of user: share of the audience, mean tastes by appeal and interests by category."""

    share: Share
    price_sensitivity: float = 0.0
    tastes: Weights = {}
    interests: Weights = {}


class Pictures(_Part):
    """What pictures do where products have some. How much of what tells creatives of a product apart is the picture's,
    and how much lies in what text and picture say together, is as measured in real tests (`calibrate --archive`).
    """

    says: dict[str, Weights] = {}
    """By appeal, what each look adds to it (`pictures/looks.py`), in standard deviations of the catalog's pictures."""
    share: Annotated[float, Field(ge=0, lt=1)] = 0.32
    interplay: Annotated[float, Field(ge=0, lt=1)] = 0.05

    @model_validator(mode="after")
    def _leave_some(self) -> "Pictures":
        if self.share + self.interplay >= 1:
            raise ValueError("the shares of picture and interplay leave the text nothing; their sum has to be below 1")
        return self


class Season(_Part):
    """Tastes that come and go: log-odds by appeal at the height of the season, which begins with the world."""

    period_hours: Annotated[float, Field(gt=0)] = 24.0 * 7 * 52
    tastes: Weights = {}


class Shift(_Part):
    """Tastes that change all at once, for good."""

    at_hours: NonNegative
    tastes: Weights


class Scenario(_Part):
    """The whole setting of a world. `copybandit ... --scenario NAME` reads one of these."""

    name: str
    description: str = ""
    catalog: str = ""
    ads: str = ""
    phrases: str | None = None
    phrases_per_product: Annotated[int, Field(ge=0)] = 6
    queries: str | None = None
    """Table of what visitors ask for (query, category); without it they look for a category as a whole."""
    ctr: Annotated[float, Field(gt=0, lt=0.5)]
    cvr: Annotated[float, Field(gt=0, lt=0.5)]
    text_effect: Annotated[float, Field(ge=0, le=1)] | None = 0.15
    """None where the reader's click utilities are log-odds already and are taken as they are."""
    text_effect_cvr: Annotated[float, Field(ge=0, le=1)] = 0.15
    ideal_length: Annotated[float, Field(gt=0)] = 60
    garbled: NonNegative = 1.2
    """Log-odds of a click that copy loses which its readers find garbled beyond doubt."""
    false_facts: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of conversions that each fact costs which the text states and the product does not have."""
    facts: list[str] | None = None
    """Words that state a fact, as they begin; None for a list of English ones. Numbers state one anyway."""
    click_model: Literal["pbm", "cascade", "dcm"] = "pbm"
    """How visitors go down a slate, see `click_models.py`."""
    going_on: Chance = 0.5
    """Chance of reading on after a click, in the dcm."""
    fatigue: NonNegative = 0.5
    """Most click log-odds that a creative loses with those who have looked at it."""
    recovery_hours: Annotated[float, Field(gt=0)] = 24.0
    interest_gain: float = 0.0
    """What a click adds to the click's log-odds of its whole category, for this user."""
    interest_loss: float = 0.0
    """What a look takes from them."""
    interest_recovery_hours: Annotated[float, Field(gt=0)] = 72.0
    visits_per_hour: Annotated[float, Field(gt=0)] = 500.0
    conversion_delay_hours: NonNegative = 6.0
    """Mean of the exponential delay from click to conversion."""
    attribution_hours: Annotated[float, Field(gt=0)] | None = None
    """Conversions that come later are not counted; None counts all."""
    margin: Chance = 0.3
    """Share of the price that a sale earns."""
    returns: Chance = 0.0
    """Share of sales sent back, of an honest ad."""
    returns_overclaim: float = 0.0
    """What overclaiming adds to the log-odds of a return."""
    season: Season = Season()
    shifts: list[Shift] = []
    channels: dict[str, Channel] = Field(min_length=1)
    appeals: dict[str, Appeal] = Field(min_length=1)
    overclaims: list[str] = []
    pictures: Pictures = Pictures()
    segments: dict[str, Segment] = Field(min_length=1)
    category_tastes: dict[str, Weights] = {}

    @model_validator(mode="after")
    def _names_fit(self) -> "Scenario":
        tastes = [segment.tastes for segment in self.segments.values()] + list(self.category_tastes.values())
        tastes += [self.season.tastes, *(shift.tastes for shift in self.shifts)]
        unknown = sorted({name for weights in tastes for name in weights} - set(self.appeals))
        unknown = unknown or sorted(set(self.pictures.says) - set(self.appeals))
        if unknown:
            raise ValueError(f"taste for '{unknown[0]}', which is no appeal; known: {', '.join(self.appeals)}")
        lengths = {len(channel.examination) for channel in self.channels.values()}
        if len(lengths) > 1:
            raise ValueError("channels differ in their number of slots; give every `examination` the same length")
        if self.click_model != "pbm":
            for name, channel in self.channels.items():
                if sorted(channel.examination, reverse=True) != channel.examination:
                    raise ValueError(
                        f"channel '{name}' is read from the top down ({self.click_model}), but its `examination` rises"
                    )
        return self

    @property
    def categories_named(self) -> set[str]:
        """Categories of the catalog that the scenario speaks of."""
        return set(self.category_tastes).union(*(segment.interests for segment in self.segments.values()))

    @property
    def reads_on(self) -> float:
        """Chance of reading on after a click: 1 in the pbm, 0 in the cascade."""
        return {"pbm": 1.0, "cascade": 0.0, "dcm": self.going_on}[self.click_model]

    @property
    def top_down(self) -> bool:
        """Whether slates are read from the top down: a slot is reached only through those above it."""
        return self.click_model != "pbm"

    @property
    def slots(self) -> int:
        """Slots of a slate, L."""
        return len(next(iter(self.channels.values())).examination)


def load_scenario(name: str | Path) -> tuple[Scenario, Catalog]:
    """Loads a built-in scenario by name, or one's own by the path of its YAML file.

    Raises:
        InputError: no such scenario, YAML that cannot be read, a field that is wrong or unknown, a category that its
            catalog does not have.
    """
    path = _path(name)
    scenario = read_scenario(path)
    if not scenario.catalog or not scenario.ads:
        raise InputError(f"{path}: has no catalog of its own; name its `catalog` and `ads`")
    catalog = Catalog.read(path.parent / scenario.catalog, path.parent / scenario.ads)
    if unknown := sorted(scenario.categories_named - set(catalog.categories)):
        known = ", ".join(catalog.categories)
        raise InputError(f"{path}: category '{unknown[0]}' is not in {scenario.catalog}, which has {known}; correct it")
    if scenario.phrases is not None:
        phrases = read_phrases(path.parent / scenario.phrases)
        catalog = catalog.with_phrases(phrases, scenario.phrases_per_product)
    if scenario.queries is not None:
        catalog = catalog.with_queries(read_queries(path.parent / scenario.queries, catalog))
    return scenario, catalog


def catalog_file(name: str | Path) -> Path:
    """The catalog of a scenario, beside which its pictures are.

    Raises:
        InputError: see `read_scenario`.
    """
    path = _path(name)
    return path.parent / read_scenario(path).catalog


def _path(name: str | Path) -> Path:
    return Path(name) if str(name).endswith((".yaml", ".yml")) else BUILT_IN / f"{name}.yaml"


def read_scenario(path: Path) -> Scenario:
    """Reads a scenario alone, without its catalog.

    Raises:
        InputError: no such scenario, YAML that cannot be read, a field that is wrong or unknown.
    """
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in BUILT_IN.glob("*.yaml")))
        name = path.relative_to(BUILT_IN).with_suffix("") if BUILT_IN in path.parents else path
        fitted = name.with_suffix("") / "world.safetensors"
        hint = f"; perhaps {fitted}" if fitted.is_file() else ""
        if fitted.parent.is_dir() and not hint:
            hint = "; this directory is no run of `copybandit calibrate`"
        raise InputError(f"{name}: no such scenario; built in are {known}, or give the path of a YAML file{hint}")
    try:
        return Scenario.model_validate(_with_base(path))
    except ValidationError as error:
        raise InputError(f"{path}: {_first_failure(error)}") from None


def _with_base(path: Path, above: tuple[Path, ...] = ()) -> Any:
    """What a file says, over what the scenario that it names as its `base` says."""
    given, above = read_strict_yaml(path), (*above, path.resolve())
    if not isinstance(given, dict) or "base" not in given:
        return given
    name = str(given.pop("base"))
    base = path.parent / name if name.endswith((".yaml", ".yml")) else BUILT_IN / f"{name}.yaml"
    if not base.is_file() or base.resolve() in above:
        raise InputError(f"{path}: its base '{name}' is no scenario; name a built-in one, or another YAML file")
    below = _with_base(base, above)
    if not isinstance(below, dict):
        raise InputError(f"{base}: not a mapping of a scenario's keys; correct it")
    files = {key: str(base.parent / str(below[key])) for key in FILES if below.get(key)}
    return _over(below | files, given)


def _over(below: dict, given: dict) -> dict:
    nested = {k: _over(below[k], v) for k, v in given.items() if isinstance(v, dict) and isinstance(below.get(k), dict)}
    return below | given | nested


def _first_failure(error: ValidationError) -> str:
    # A misspelt key shows twice, as unknown and as missing; the unknown one says what to correct.
    first = min(error.errors(), key=lambda failure: failure["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"'{where}' is no key of a scenario; correct its spelling or remove it"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where or 'the file'}: {message[:1].lower()}{message[1:]}; correct it"
