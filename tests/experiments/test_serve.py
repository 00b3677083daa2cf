"""The page to play with: what may be asked of a run, and who may ask."""

import json
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from copybandit.agents.registry import agent_for
from copybandit.agents.state import save_agent
from copybandit.experiments.cli import main
from copybandit.experiments.harness.rules import RulesOptions
from copybandit.experiments.playground.answers import TEXTS, Answers, _soundest
from copybandit.experiments.playground.server import MOST_BYTES, make_server
from copybandit.policies.compliance.filter import Compliance
from copybandit.policies.effect.effect_file import EFFECT, save_effect
from copybandit.policies.effect.model import VALIDATORS, EffectConfig, fit_effect_model
from copybandit.policies.effect.newcomer import with_newcomer
from copybandit.policies.writer.checkpoint import CHECKPOINT, save_checkpoint
from copybandit.policies.writer.writer import WriterConfig, make_writer
from copybandit.simulation.data.catalog import Catalog, Creative, Product
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.logs import count_uniform
from copybandit.simulation.world import make_world

STOOL = {"title": "oak step stool", "category": "kitchen", "brand": "Fennick", "price": "49", "attributes": "wood=oak"}


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_scenario, tiny_catalog):
    """What a `loop` leaves that the page needs, small."""
    folder = tmp_path_factory.mktemp("run")
    world = make_world(tiny_scenario, tiny_catalog, seed=0, users=40)
    counts = count_uniform(world, tiny_catalog.ads, 4000, torch.Generator().manual_seed(0))
    effect = fit_effect_model(counts, tiny_catalog, EffectConfig(steps=10), members=VALIDATORS)
    save_effect(effect, folder / EFFECT)
    writer = make_writer(tiny_catalog, WriterConfig(width=32, heads=2, vocabulary=400, max_new_tokens=8), seed=0)
    save_checkpoint(writer, folder / CHECKPOINT, "a pan =>", {}, {})
    save_agent(agent_for(world, "linucb"), folder / "placement")
    return folder


@pytest.fixture(scope="module")
def answers(run):
    return Answers.of(run, torch.device("cpu"), RulesOptions())


def test_ads_for_a_product_of_the_run_and_for_one_that_is_typed(answers):
    offered = answers.offered()
    own = offered["products"][0]
    for product in (
        {**own, "price": str(own["price"])},
        STOOL | {"price": "49,90 €", "category": offered["categories"][0]},
    ):
        rows = answers.write({**product, "audience": offered["audiences"][1]})
        assert 0 < len(rows) <= TEXTS
        assert [row["worth"] for row in rows] == sorted((row["worth"] for row in rows), reverse=True)
        assert all(0 < row["ctr"] < 1 and row["text"] for row in rows)
        named = set(product["title"].lower().split())
        assert not any(reason.strip("'").lower() in named for row in rows for reason, _ in row["why"])
    again = answers.write({**product, "audience": offered["audiences"][1]})
    assert again == rows, "the same seed writes the same"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "title"),
        ({**STOOL, "category": "boats"}, "category 'boats'"),
        ({**STOOL, "audience": "pirates"}, "audience 'pirates'"),
        ({**STOOL, "price": "free"}, "price: give a number"),
        ({**STOOL, "price": -1}, "price: give a number"),
        ({**STOOL, "title": 7}, "title: give a text"),
        ({**STOOL, "title": "x" * 401}, "at most 400 characters"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line(answers, asked, told):
    with pytest.raises(InputError, match=told) as said:
        answers.write(asked)
    assert "\n" not in str(said.value)


def test_what_may_not_be_published_says_which_rule_and_comes_last(answers, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{id: no-vowel, says: Say it without., patterns: ['\\w*[aeiou]\\w*']}]")
    strict = replace(answers, publishing=RulesOptions(rules=str(rules)))
    rows = strict.write({**answers.offered()["products"][0], "price": "10"})
    assert rows and all(row["refused"][0][0] == "no-vowel" for row in rows if any(v in row["text"] for v in "aeiou"))
    product = Product("p", "a pan", "kitchen", 1.0)
    texts = [Creative("p", text) for text in ("A pan, click here", "A pan that lasts")]
    order = _soundest(Compliance.of(Catalog([product])), product, texts, names_product=True)
    assert order == [texts[1], texts[0]]


def test_a_newcomer_is_an_average_product_of_its_category(answers, tiny_catalog):
    """By hand: its context lies the product's own row from that of a product of the same category."""
    first = tiny_catalog.products[0]
    product = Product("new", "oak step stool", first.category, 49.0)
    effect = answers._effect(product)
    old, new = (effect.predict([Creative(number, "a line")]).context for number in (first.product_id, "new"))
    row = torch.stack([torch.as_tensor(head["weights"]["product"])[0] for head in answers.state["heads"]])
    assert old[:, 0] - row == pytest.approx(new[:, 0], abs=1e-6)
    with pytest.raises(InputError, match="category 'boats'"):
        with_newcomer(answers.state, Product("new", "a boat", "boats", 1.0))


def test_the_slate_for_a_visitor_teaches_the_agent_nothing(answers):
    before = {name: value.clone() for name, value in answers.agent.model.tensors().items()}
    groups = answers.offered()["visitor"]["groups"]
    found = answers.slate({"channel": groups["channel"][0], "segment": groups["segment"][0], "hour": "20"})
    assert len(found["slate"]) == answers.agent.slots
    assert all(0 < slot["chance"] <= 1 and slot["text"] for slot in found["slate"])
    after = answers.agent.model.tensors()
    assert all(torch.equal(before[name], after[name]) for name in before)
    with pytest.raises(InputError, match="no feature 'channel=billboard'"):
        answers.slate({"channel": "billboard"})


def test_a_run_of_tune_has_no_agent(run, tmp_path):
    for part in (CHECKPOINT, EFFECT):
        (tmp_path / part).symlink_to(run / part)
    answers = Answers.of(tmp_path, torch.device("cpu"), RulesOptions())
    assert answers.offered()["visitor"] is None
    with pytest.raises(InputError, match="placed no ads"):
        answers.slate({})


class Few:
    """Answers nothing much."""

    def offered(self):
        return {"run": "few"}

    def write(self, asked):
        raise InputError(f"title: not {asked['title']!r}")

    def slate(self, asked):
        return {"slate": []}


@contextmanager
def served(answers=None):
    server = make_server(answers or Few(), "secret", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def fetched(url, question=None, token="secret", **headers):
    """Status, kind and body."""
    data = None if question is None else question if isinstance(question, bytes) else json.dumps(question).encode()
    request = urllib.request.Request(url, data, {"X-Token": token, **headers})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def test_the_page_and_its_questions():
    with served() as home:
        status, headers, page = fetched(f"{home}/?token=secret")
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "http" not in page.replace("http-equiv", ""), "nothing is fetched from elsewhere"
        assert json.loads(fetched(f"{home}/offered", {})[2]) == {"run": "few"}
        status, _, told = fetched(f"{home}/write", {"title": "x"})
        assert (status, json.loads(told)) == (422, {"problem": "title: not 'x'"})


@pytest.mark.parametrize(
    ("question", "given", "status"),
    [
        ({}, {"token": "guess"}, 403),
        ({}, {"token": ""}, 403),
        ({}, {"Host": "evil.example"}, 403),
        ({}, {"Host": "127.0.0.1.evil.example:80"}, 403),
        (b"{", {}, 422),
        (b"[]", {}, 422),
        (b" " * (MOST_BYTES + 1), {}, 400),
    ],
)
def test_strangers_and_nonsense_are_turned_away(question, given, status):
    with served() as home:
        assert fetched(f"{home}/offered", question, **given)[0] == status


def test_other_pages_and_questions_are_turned_away():
    with served() as home:
        assert fetched(f"{home}/?token=guess")[0] == 403
        assert fetched(f"{home}/etc/passwd?token=secret")[0] == 404
        assert fetched(f"{home}/delete", {})[0] == 400


def test_over_the_wire(answers):
    with served(answers) as home:
        offered = json.loads(fetched(f"{home}/offered", {})[2])
        status, _, body = fetched(f"{home}/write", {"title": "oak stool", "category": offered["categories"][0]})
        assert status == 200, body
        assert json.loads(body)[0]["text"]


@pytest.mark.parametrize("given", [["nowhere"], ["RUN", "--port", "99999"]])
def test_the_command_refuses_in_one_line(given, run, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["serve", *[str(run) if word == "RUN" else word for word in given]])
    assert ended.value.code == 2
    told = capsys.readouterr().err.strip()
    assert told.startswith("copybandit serve:") and "\n" not in told


def test_the_page_ships_with_the_package():
    from copybandit.experiments.playground import server

    assert Path(server.PAGE).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
