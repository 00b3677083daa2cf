"""Options of a study: what you bring, what is logged, who writes; and all of what commands that tune a writer share."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ...agents.agent import CONVERSION_VALUE
from ...policies.base.start import BASE
from ...policies.effect.model import EffectConfig
from ...policies.learning.warm_start import WarmStartConfig
from ...policies.reward.reward import RewardConfig
from ...policies.writer.writer import BUILT_IN, WriterConfig
from ...simulation.data.columns import ColumnNames
from ...simulation.data.errors import InputError
from ..harness.options import Common, Device, Flat, Idle, RunOptions, refuse_below
from ..harness.rules import RulesOptions
from .worlds import SegmentOptions, WorldOptions

PICTURES = ("images", "drawn-images", "image-encoder", "image-cache")
"""Options of pictures."""
SIMULATED = ("log-impressions", "pilot-texts", "validation-impressions")
"""Options of what is logged in the world."""


@dataclass(frozen=True)
class DataOptions:
    """What you bring."""

    catalog: Common[Path | None] = None
    """Products to write for (CSV or Parquet), instead of the scenario's."""
    ads: Common[Path | None] = None
    """Reference ads of that catalog: a table with product_id and text."""
    logs: Common[Path | None] = None
    """Logged impressions: the effect model learns from them instead of from the simulated users. A file, or a folder of
    Parquet files; of one that does not fit into memory, from whole users of it, drawn by the seed."""
    columns: Common[ColumnNames] = ""
    """Columns of these files that have other names there: text=Headline,clicked=Clicks."""
    products: int | None = None
    """Products of the catalog that take part, drawn by the seed; by default all."""
    archive: Common[Path | None] = None
    """Real A/B tests (the Upworthy archive, or test_id, text, impressions, clicks) instead of a catalog; sets other
    defaults (recipes/archive.yaml)."""
    encoder: str = "auto"
    """What the effect model of an archive reads beside n-grams: a sentence-transformers directory, a language model (a
    directory or a GGUF file), or one of each with a comma between; packaged: that of the `encoder` extra; auto: the
    same if it is installed; none."""

    def __post_init__(self) -> None:
        if self.archive is not None and any((self.catalog, self.ads, self.logs)):
            raise InputError("--archive stands alone; leave out --catalog, --ads and --logs")
        if self.ads is not None and self.catalog is None:
            raise InputError("--ads goes with --catalog; give both")
        if self.products is not None:
            refuse_below(self, products=1)

    def idle(self) -> Idle:
        """Real tests and real logs take the place of what is simulated."""
        found = {} if self.archive is not None else {"encoder": "without --archive"}
        if all(file is None for file in (self.catalog, self.logs, self.archive)):
            return found | {"columns": "without a file: give --catalog, --logs or --archive"}
        tests = "with --archive, whose tests are learned from"
        if self.archive is not None:
            return dict.fromkeys(("scenario", "products", "segments", "segments-by", *SIMULATED, "effect"), tests)
        if self.logs is not None:
            found |= dict.fromkeys(SIMULATED, "with --logs, which are learned from")
        return found


@dataclass(frozen=True)
class PictureOptions:
    """Pictures beside the texts."""

    images: Common[Literal["auto", "drawn", "none"]] = "auto"
    """Pictures that texts stand beside: auto takes those that the catalog's column `images` names, if it has any;
    drawn has some drawn for every product; none has text alone."""
    drawn_images: int = 5
    """Pictures a product that are drawn."""
    image_encoder: Literal["auto", "packaged", "plain"] = "auto"
    """Who looks at pictures for the effect model, beside plain features (colour, contrast, edges, lettering): packaged
    is EfficientNet-Lite0, of the `images` extra; auto takes it if it is installed; plain has nobody."""
    image_cache: Path | None = None
    """A file that keeps the encoder's vectors by content of the picture, so that each is looked at once and not once a
    run; it is made where there is none (SQLite)."""

    def __post_init__(self) -> None:
        refuse_below(self, drawn_images=2)

    def idle(self) -> Idle:
        """Each counts where there is something to see."""
        found = {} if self.images == "drawn" else {"drawn-images": "without --images drawn"}
        if self.images == "none":
            return found | dict.fromkeys(("image-encoder", "image-cache"), "with --images none")
        return found | ({"image-cache": "with --image-encoder plain"} if self.image_encoder == "plain" else {})


@dataclass(frozen=True)
class FeedbackOptions:
    """What is logged in the world before anything is learned."""

    log_impressions: Common[int] = 6_000_000
    """Impressions of the reference ads, placed at random, that the effect model learns from."""
    pilot_texts: int = 4000
    """Texts of the untuned writer that are shown in that log beside the reference ads, about: what they earn teaches
    the effect model what the writer's own words do. A writer that is warm-started has no pilot."""

    def __post_init__(self) -> None:
        refuse_below(self, log_impressions=1000, pilot_texts=0)


@dataclass(frozen=True)
class WritingOptions:
    """Who writes, and how much."""

    model: Common[str] = BASE
    """base (a small GPT-2 that has read English copy; for catalogs of other languages, built-in takes its place, and
    then --warm-start and the sizes of --writer count),
    built-in (one that learns from the catalog alone, in any language), or any causal LM: the name or directory of a
    Hugging Face model, `RUN/base` of `copybandit pretrain`, or a GGUF file."""
    queries_per_product: int = 6
    """Where visitors bring queries, the writer answers so many of a product's category, in turns."""
    samples: Common[int] = 2
    """Texts a prompt that the verdict is given on."""
    scale_prompts: int = 256
    """Prompts that the untuned writer answers four times, from which the reward takes its scale."""

    def __post_init__(self) -> None:
        refuse_below(self, samples=1, queries_per_product=1, scale_prompts=1)

    def idle(self) -> Idle:
        """A model that is brought has its own size; one that begins from nothing reads all ads to the end."""
        if self.model == BUILT_IN:
            why = "with --model built-in, which reads all ads to the end"
            return {"warm-start.patience": why, "pilot-texts": f"{why}, after the log"}
        if self.model == BASE:
            return {}  # they count where the catalog's language makes built-in take its place
        sizes = ("writer.layers", "writer.width", "writer.heads", "writer.vocabulary")
        return dict.fromkeys(sizes, f"with --model {self.model}, which has its own")


@dataclass(frozen=True)
class StudyOptions:
    """What is written for, by whom, and who answers: `loop`, `tune`, `pareto` and `compare --writers` have it all."""

    run: Flat[RunOptions] = field(default_factory=RunOptions)
    device: Device = "auto"
    """Where tensors live; auto takes a CUDA device when there is one."""
    conversion_value: float = CONVERSION_VALUE
    """Worth of a conversion in clicks, wherever one figure is wanted."""
    world: Flat[WorldOptions] = field(default_factory=WorldOptions)
    segmenting: Flat[SegmentOptions] = field(default_factory=SegmentOptions)
    data: Flat[DataOptions] = field(default_factory=DataOptions)
    pictures: Flat[PictureOptions] = field(default_factory=PictureOptions)
    feedback: Flat[FeedbackOptions] = field(default_factory=FeedbackOptions)
    writing: Flat[WritingOptions] = field(default_factory=WritingOptions)
    publishing: Flat[RulesOptions] = field(default_factory=RulesOptions)
    writer: WriterConfig = field(default_factory=WriterConfig)
    warm_start: WarmStartConfig = field(default_factory=WarmStartConfig)
    effect: EffectConfig = field(default_factory=EffectConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)

    def __post_init__(self) -> None:
        refuse_below(self, conversion_value=0)

    def idle(self) -> Idle:
        """What the parts mean for each other."""
        found = {} if self.queried else {"queries-per-product": "where no visitor brings queries"}
        if not self.segmenting.segments and self.data.logs is None:
            found["segments-by"] = "without --segments"
        if self.data.archive is not None:
            found |= dict.fromkeys(PICTURES, "with --archive, whose pictures are not in it")
        elif self.pictures.images == "auto" and self.data.catalog is None and self.world.built_in:
            without = "where products have no pictures: give --images drawn, or a --catalog with some"
            found |= dict.fromkeys(("image-encoder", "image-cache"), without)
        return found

    @property
    def queried(self) -> bool:
        """Whether visitors bring queries: products that you bring have none."""
        own = self.data.catalog is not None or self.data.archive is not None
        return not own and self.world.brings_queries
