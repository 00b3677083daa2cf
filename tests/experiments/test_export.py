"""A checkpoint leaves a run whole, or not at all."""

import contextlib
import io
import json
import shutil
import subprocess
import sys

import pytest
import torch
from copybandit.experiments.analysis.benchmarks.serve import runtimes
from copybandit.experiments.export import ExportOptions, run_export
from copybandit.experiments.report import ReportOptions, run_report
from copybandit.policies.learning.warm_start import WarmStartConfig, warm_start
from copybandit.policies.writer.checkpoint import save_checkpoint
from copybandit.policies.writer.gguf_model import write_gguf
from copybandit.policies.writer.prompts import prompt
from copybandit.policies.writer.writer import WriterConfig, make_writer
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.files import check_folder

SMALL = WriterConfig(layers=1, width=32, heads=2, vocabulary=400, max_new_tokens=8)


@pytest.fixture
def run(tiny_catalog, tmp_path):
    """A finished run, as far as export and report look at one."""
    folder = tmp_path / "run"
    writer = make_writer(tiny_catalog, SMALL, seed=0)
    save_checkpoint(writer, folder / "checkpoint", "steel knife =>", {"seed": 0}, {"gold CTR lift": "+1%"})
    (folder / "summary.json").write_text(json.dumps({"command": "tune"}), encoding="utf-8")
    return folder


def line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_exported_is_what_was_saved(run, tmp_path):
    to = run_export(ExportOptions(run, tmp_path / "writer"))
    names = {path.name for path in (run / "checkpoint").iterdir()}
    assert names == {path.name for path in to.iterdir()}
    assert names >= {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "README.md"}
    assert all((to / name).read_bytes() == (run / "checkpoint" / name).read_bytes() for name in names)


def test_into_an_empty_directory(run, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run_export(ExportOptions(run, tmp_path / "here"))
    assert (tmp_path / "here/model.safetensors").is_file()


def cut(share):
    def act(path):
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])

    return act


def change(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize(
    ("name", "damage", "told"),
    [
        ("model.safetensors", cut(0), "torn: 0 bytes of"),
        ("model.safetensors", cut(0.5), "torn:"),
        ("model.safetensors", change, "altered since it was written"),
        ("model.safetensors", lambda path: path.unlink(), "missing"),
        ("tokenizer.json", lambda path: path.unlink(), "missing"),
        ("config.json", cut(0), "torn: 0 bytes of"),
        ("manifest.json", lambda path: path.unlink(), "written half or by something else"),
    ],
)
def test_half_a_checkpoint_is_refused_and_leaves_nothing(run, tmp_path, name, damage, told):
    damage(run / "checkpoint" / name)
    for act in (
        lambda: run_export(ExportOptions(run, tmp_path / "writer")),
        lambda: run_report(ReportOptions((run,))),
        lambda: run_report(ReportOptions((run, run.parent / "other"))),
    ):
        with pytest.raises(InputError, match=told) as error:
            act()
        assert name in line(error)
        assert "run it again" in line(error)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert not (run / "report.html").exists()


def test_no_checkpoint_and_no_run(run, tmp_path):
    shutil.rmtree(run / "checkpoint")
    for folder in (run, tmp_path / "none"):
        with pytest.raises(InputError, match="no finished checkpoint in it; give the directory of a loop or tune run"):
            run_export(ExportOptions(folder, tmp_path / "writer"))
    assert not (tmp_path / "writer").exists()


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(run, tiny_catalog, monkeypatch):
    writer = make_writer(tiny_catalog, SMALL, seed=1)
    before = (run / "checkpoint/model.safetensors").read_bytes()

    def fails(folder):
        raise OSError("no space left on device")

    monkeypatch.setattr(writer.tokenizer, "save_pretrained", fails)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(writer, run / "checkpoint", "a =>", {}, {})
    assert (run / "checkpoint/model.safetensors").read_bytes() == before
    run_export(ExportOptions(run, run.parent / "writer"))


def test_a_torn_checkpoint_is_no_model_to_begin_with(run, tiny_catalog):
    cut(0.5)(run / "checkpoint/model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors: torn") as error:
        make_writer(tiny_catalog, SMALL, seed=0, model=str(run / "checkpoint"))
    assert "\n" not in str(error.value)


def test_a_checkpoint_goes_on_being_a_writer(run, tiny_catalog):
    first, second = (
        make_writer(tiny_catalog, SMALL, seed=seed, model=model)
        for seed, model in ((0, "built-in"), (5, str(run / "checkpoint")))
    )
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True))


def test_onnx_without_the_extra(run, tmp_path, monkeypatch):
    monkeypatch.setattr("copybandit.policies.writer.onnx_model.find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"onnx, onnxscript, onnxruntime not installed; pip install 'copybandit\[onnx\]'"
    ):
        run_export(ExportOptions(run, tmp_path / "graph", "onnx"))
    assert not (tmp_path / "graph").exists()


def test_gguf_without_the_extra(run, tmp_path, monkeypatch):
    monkeypatch.setattr("copybandit.policies.writer.gguf_model.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"gguf not installed; pip install 'copybandit\[gguf\]'"):
        run_export(ExportOptions(run, tmp_path / "file", "gguf"))
    assert not (tmp_path / "file").exists()


def greedy(writer, prompts, most):
    ids, mask = writer.encode_prompts(prompts)
    how = {"do_sample": False, "max_new_tokens": most, "pad_token_id": writer.tokenizer.pad_token_id}
    out = writer.model.generate(input_ids=ids, attention_mask=mask, **how)
    return writer.tokenizer.batch_decode(out[:, ids.shape[1] :], skip_special_tokens=True)


@pytest.fixture
def learned(run, tiny_catalog):
    """A writer that has something to say, its run, and a prompt a product."""
    writer = make_writer(tiny_catalog, SMALL, seed=0)
    warm_start(writer, tiny_catalog, [], WarmStartConfig(lines=600, batch=12, learning_rate=5e-3), seed=0)
    save_checkpoint(writer, run / "checkpoint", "steel knife =>", {}, {})
    return writer, run, [prompt(product) for product in tiny_catalog.products]


def given(writer, most):
    special = {"end": writer.tokenizer.eos_token_id, "pad": writer.tokenizer.pad_token_id}
    return {"most": most, "threads": 1, "context": 128, **special}


def test_a_gguf_file_holds_the_weights_turned_and_the_vocabulary(learned, tmp_path):
    gguf = pytest.importorskip("gguf")
    writer, run, _ = learned
    to = run_export(ExportOptions(run, tmp_path / "file", "gguf"))
    check_folder(to)
    assert not list(to.glob("*.safetensors"))
    read = gguf.GGUFReader(to / "model.gguf")
    weights = {tensor.name: tensor.data for tensor in read.tensors}
    model = writer.model.state_dict()
    turned = model["transformer.h.0.mlp.c_fc.weight"].T.half().numpy()  # rows are outputs there
    assert (weights["blk.0.ffn_up.weight"] == turned).all()
    assert (weights["position_embd.weight"] == model["transformer.wpe.weight"].numpy()).all()
    assert len(weights) == 3 + 12 + 1  # embeddings two, last norm two; a layer has twelve
    tokens = read.get_field("tokenizer.ggml.tokens").contents()
    assert tokens == writer.tokenizer.convert_ids_to_tokens(range(len(writer.tokenizer)))


def test_only_a_gpt2_is_written_as_gguf(learned, tmp_path, monkeypatch):
    pytest.importorskip("gguf")
    writer, _, _ = learned
    monkeypatch.setattr(writer.model.config, "model_type", "llama")
    with pytest.raises(InputError, match=r"llama is not written here; .* convert_hf_to_gguf"):
        write_gguf(writer.model, writer.tokenizer, tmp_path)
    assert not list(tmp_path.glob("*.gguf"))


def test_llama_cpp_writes_the_same_greedy_texts(learned, tmp_path):
    pytest.importorskip("gguf")
    pytest.importorskip("xllamacpp")
    writer, run, prompts = learned
    to = run_export(ExportOptions(run, tmp_path / "file", "gguf"))
    # In a process of its own: the server's threads are not ours to end.
    found = answered_apart("gguf", to, tmp_path, given(writer, 8) | {"prompts": prompts})
    assert found["greedy"] == greedy(writer, prompts, 8)
    assert len(set(found["greedy"])) > 1
    assert len(found["sampled"]) == len(prompts)


def answered_apart(form, folder, tmp_path, asked):
    (tmp_path / "given.json").write_text(json.dumps({"each": 1, "few": 1, "temperature": 0.9, "seed": 0} | asked))
    command = [sys.executable, "-m", runtimes.__name__, form, str(folder), str(tmp_path / "found.json")]
    with (tmp_path / "given.json").open() as file:
        subprocess.run(command, stdin=file, check=True, capture_output=True)
    return json.loads((tmp_path / "found.json").read_text())


def test_eight_bits_are_near_to_thirty_two(learned, tmp_path):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)
    writer, run, prompts = learned
    whole = run_export(ExportOptions(run, tmp_path / "whole", "onnx"))
    small = run_export(ExportOptions(run, tmp_path / "small", "int8"))
    check_folder(small)
    assert (small / "model.onnx").stat().st_size < 0.75 * (whole / "model.onnx").stat().st_size
    ids, mask = writer.encode_prompts(prompts)
    fed = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
    last = []
    for folder in (whole, small):
        opened = runtimes.OnnxRuntime(folder, given(writer, 8))
        last.append(torch.from_numpy(opened._session.run(None, fed)[0][:, -1]).log_softmax(-1))
        texts = opened.write(prompts, 0.0, 0)
        assert folder is small or texts == greedy(writer, prompts, 8)
    kl = (last[0].exp() * (last[0] - last[1])).sum(1)
    assert 0 < float(kl.mean()) < 0.05


@pytest.mark.slow
def test_onnx_writes_the_same_greedy_text_as_torch(run, tiny_catalog, tmp_path):
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name)
    runtime = pytest.importorskip("onnxruntime")
    writer = make_writer(tiny_catalog, SMALL, seed=0)
    warm_start(writer, tiny_catalog, [], WarmStartConfig(lines=600, batch=12, learning_rate=5e-3), seed=0)
    save_checkpoint(writer, run / "checkpoint", "steel knife =>", {}, {})
    cut(0.5)(run / "checkpoint" / "tokenizer.json")
    with pytest.raises(InputError, match=r"tokenizer\.json: torn"):
        run_export(ExportOptions(run, tmp_path / "graph", "onnx"))
    save_checkpoint(writer, run / "checkpoint", "steel knife =>", {}, {})
    to = run_export(ExportOptions(run, tmp_path / "graph", "onnx"))
    check_folder(to)
    assert not list(to.glob("*.safetensors"))

    session = runtime.InferenceSession(str(to / "model.onnx"), providers=["CPUExecutionProvider"])
    ids, mask = writer.encode_prompts([prompt(product) for product in tiny_catalog.products])
    assert (mask == 0).any()  # of different lengths: padding is part of what is tested
    end = int(writer.tokenizer.eos_token_id)
    expected = writer.model.generate(
        input_ids=ids,
        attention_mask=mask,
        do_sample=False,
        max_new_tokens=8,
        pad_token_id=writer.tokenizer.pad_token_id,
    )
    for _ in range(8):
        (logits,) = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
        ids = torch.cat([ids, torch.from_numpy(logits[:, -1].argmax(-1))[:, None]], 1)
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
    texts = [
        [writer.tokenizer.decode(row[: row.index(end)] if end in row else row) for row in rows[:, -8:].tolist()]
        for rows in (ids, expected)
    ]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) > 1

    card = (to / "README.md").read_text()
    assert "transformers" not in card and "Lift in simulation is not real lift" in card
    code = card.split("```python\n")[1].split("```")[0]
    code = code.replace("THIS_DIRECTORY", str(to)).replace("A PROMPT =>", prompt(tiny_catalog.products[0]))
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        exec(code, {})  # the card's own snippet
    assert told.getvalue().startswith(texts[0][0])
