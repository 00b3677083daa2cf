from copybandit.experiments.abtest import COUNTS
from copybandit.experiments.check import TEXTS as CHECKED
from copybandit.experiments.scoring.ads import ANY
from copybandit.experiments.scoring.ads import TEXTS as ADS
from copybandit.experiments.scoring.headlines import TEXTS as HEADLINES
from copybandit.simulation.archive.tests import ARCHIVE_SCHEMA, UPWORTHY_SCHEMA
from copybandit.simulation.data.catalog import ADS_SCHEMA, CATALOG_SCHEMA
from copybandit.simulation.data.columns import ANYWHERE, Names, read_here
from copybandit.simulation.data.log_format import LOG_SCHEMA

SCHEMAS = (
    *(ADS, ADS_SCHEMA, ANY, ARCHIVE_SCHEMA, CATALOG_SCHEMA, CHECKED, COUNTS, HEADLINES),
    *(LOG_SCHEMA, UPWORTHY_SCHEMA),
)


def test_the_columns_of_all_tables_are_known():
    assert {name for schema in SCHEMAS for name in schema.columns} == ANYWHERE


def test_names_of_other_tables_are_left_aside():
    given = Names({"text": "Headline", "clicked": "Clicks", "user_region": "Region"})
    assert read_here(given, ["text", "product_id"]) == {"text": "Headline"}
    assert read_here(given, ["clicked"], user_columns=True) == {"clicked": "Clicks", "user_region": "Region"}
