"""A scenario: the trade, its language and its people as data (a YAML file and two tables), checked on reading."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .catalog import Catalog, read_phrases
from .tables import InputError

BUILT_IN = Path(__file__).parent / "scenarios"

Share = Annotated[float, Field(gt=0, le=1)]
Weights = dict[str, float]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Channel(_Part):
    """Where ads are shown: its traffic, how easily it is clicked, and how far down its slots are looked at."""

    share: Share
    base: float = 0.0
    intent: float = 0.0
    examination: list[Share] = Field(min_length=1)


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


class Scenario(_Part):
    """The whole setting of a world. `copybandit ... --scenario NAME` reads one of these."""

    name: str
    description: str = ""
    catalog: str = ""
    ads: str = ""
    phrases: str | None = None
    phrases_per_product: Annotated[int, Field(ge=0)] = 6
    ctr: Annotated[float, Field(gt=0, lt=0.5)]
    cvr: Annotated[float, Field(gt=0, lt=0.5)]
    text_effect: Annotated[float, Field(ge=0, le=1)] | None = 0.15
    """None where the reader's click utilities are log-odds already and are taken as they are."""
    text_effect_cvr: Annotated[float, Field(ge=0, le=1)] = 0.15
    ideal_length: Annotated[float, Field(gt=0)] = 60
    fatigue: Annotated[float, Field(ge=0)] = 0.5
    recovery_hours: Annotated[float, Field(gt=0)] = 24.0
    visits_per_hour: Annotated[float, Field(gt=0)] = 500.0
    conversion_delay_hours: Annotated[float, Field(ge=0)] = 6.0
    channels: dict[str, Channel] = Field(min_length=1)
    appeals: dict[str, Appeal] = Field(min_length=1)
    overclaims: list[str] = []
    segments: dict[str, Segment] = Field(min_length=1)
    category_tastes: dict[str, Weights] = {}

    @model_validator(mode="after")
    def _names_fit(self) -> "Scenario":
        tastes = [segment.tastes for segment in self.segments.values()] + list(self.category_tastes.values())
        unknown = sorted({name for weights in tastes for name in weights} - set(self.appeals))
        if unknown:
            raise ValueError(f"taste for '{unknown[0]}', which is no appeal; known: {', '.join(self.appeals)}")
        lengths = {len(channel.examination) for channel in self.channels.values()}
        if len(lengths) > 1:
            raise ValueError("channels differ in their number of slots; give every `examination` the same length")
        return self

    @property
    def categories_named(self) -> set[str]:
        """Categories of the catalog that the scenario speaks of."""
        return set(self.category_tastes).union(*(segment.interests for segment in self.segments.values()))

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
    path = Path(name) if str(name).endswith((".yaml", ".yml")) else BUILT_IN / f"{name}.yaml"
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
    return scenario, catalog


def read_scenario(path: Path) -> Scenario:
    """Reads a scenario alone, without its catalog.

    Raises:
        InputError: no such scenario, YAML that cannot be read, a field that is wrong or unknown.
    """
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in BUILT_IN.glob("*.yaml")))
        name = path.stem if path.parent == BUILT_IN else path
        raise InputError(f"{name}: no such scenario; built in are {known}, or give the path of a YAML file")
    try:
        return Scenario.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; save the scenario as UTF-8") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not readable as YAML ({_yaml_problem(error)}); correct it") from None
    except ValidationError as error:
        raise InputError(f"{path}: {_first_failure(error)}") from None


def _yaml_problem(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"row {error.problem_mark.line + 1}: {error.problem}"
    return str(error).splitlines()[0]


def _first_failure(error: ValidationError) -> str:
    # A misspelt key shows twice, as unknown and as missing; the unknown one says what to correct.
    first = min(error.errors(), key=lambda failure: failure["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"'{where}' is no key of a scenario; correct its spelling or remove it"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where or 'the file'}: {message[:1].lower()}{message[1:]}; correct it"
