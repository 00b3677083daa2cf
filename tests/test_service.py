"""The decision service of the docs, over HTTP on the loopback device; and its Dockerfile, by eye of a few rules."""

import importlib.util
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from copybandit.agents.state import load_agent
from copybandit.experiments.cli import main

SERVICE = Path(__file__).resolve().parent.parent / "docs" / "service"


@pytest.fixture(scope="module")
def app() -> ModuleType:
    pytest.importorskip("fastapi")
    spec = importlib.util.spec_from_file_location("service_app", SERVICE / "app.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def folder(tiny_file, tmp_path) -> Path:
    """What `compare` leaves of an agent."""
    small = ["--seeds", "2", "--users", "40", "--creatives", "4", "--impressions", "200", "--batch", "100"]
    out = ["--out", str(tmp_path / "run"), "--device", "cpu"]
    main(["compare", "--scenario", str(tiny_file), "--agents", "linucb", *small, *out])
    return tmp_path / "run" / "placement"


@contextmanager
def served(app: ModuleType, folder: Path, *, learns: bool = True) -> Iterator[str]:
    """The address of the service while it runs."""
    import uvicorn

    settings = uvicorn.Config(app.create_app(folder, learns), host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


def post(address: str, **given: Any) -> tuple[int, Any]:
    request = Request(address, json.dumps(given).encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)["detail"]


def test_it_decides_learns_once_and_saves(app, folder):
    before = load_agent(folder).state_dict()
    names = load_agent(folder).labels
    assert names is not None
    with served(app, folder) as address:
        code, slate = post(f"{address}/decide", known={"channel": names.channels[0]})
        assert code == 200 and len(slate["texts"]) == len(set(slate["creatives"])) == 2
        assert all(0 < chance <= 1 for chance in slate["propensities"])
        answer = {"impression_id": slate["impression_id"], "clicked": [1, 0], "converted": [1, 0]}
        assert post(f"{address}/feedback", **answer) == (200, {"learned": True})
        code, told = post(f"{address}/feedback", **answer)
        assert code == 404 and "answered already" in told
        with urlopen(f"{address}/health", timeout=10) as health:
            assert json.load(health)["waiting"] == 0
    after = load_agent(folder).state_dict()
    assert any(not before[name].equal(after[name]) for name in before if name.startswith("model."))


def test_bad_requests_are_told_and_nothing_is_lost(app, folder):
    with served(app, folder) as address:
        code, told = post(f"{address}/decide", known={"channel": "radio"})
        assert code == 422 and "no feature 'channel=radio'" in told
        assert post(f"{address}/decide", hour=25)[0] == 422
        _, slate = post(f"{address}/decide")
        code, told = post(f"{address}/feedback", impression_id=slate["impression_id"], clicked=[1, 0, 0, 0])
        assert code == 422
        assert post(f"{address}/feedback", impression_id=slate["impression_id"], clicked=[1, 0])[0] == 200


def test_a_second_process_reads_what_the_owner_saved(app, folder):
    reader = app.Service(folder, learns=False)
    first = reader.agent
    reader.step()
    assert reader.agent is first
    owner = app.Service(folder, learns=True)
    slate = owner.decide(app.Visitor())
    owner.learn(app.Feedback(impression_id=slate.impression_id, clicked=[1, 0]))
    owner.step()
    reader.step()
    assert reader.agent is not first
    with served(app, folder, learns=False) as address:
        code, told = post(f"{address}/feedback", impression_id="x", clicked=[0, 0])
        assert code == 409 and "does not learn" in told


def test_without_a_folder_it_says_what_to_name(app, monkeypatch):
    monkeypatch.delenv("COPYBANDIT_AGENT", raising=False)
    with pytest.raises(SystemExit, match="COPYBANDIT_AGENT"):
        app.__getattr__("app")


def test_the_dockerfile_keeps_the_rules():
    """Those of hadolint that bear on it: a pinned tag, no cache, not root, one process, exec form."""
    lines = [line for line in (SERVICE / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    by_word = {line.split()[0]: line for line in lines if line and not line.startswith(" ")}
    assert ":" in by_word["FROM"] and "latest" not in by_word["FROM"]
    assert all("--no-cache-dir" in line for line in lines if "pip install" in line)
    assert by_word["USER"] != "USER root" and lines.index(by_word["USER"]) < lines.index(by_word["CMD"])
    assert by_word["CMD"].startswith('CMD ["') and by_word["HEALTHCHECK"].startswith('HEALTHCHECK CMD ["')
    assert "ADD" not in by_word and by_word["WORKDIR"].split()[1].startswith("/")
