"""A checkpoint as ONNX: a graph from ids and mask to logits, good without PyTorch."""

import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from ...simulation.data.errors import InputError
from ...simulation.data.files import MANIFEST, write_folder
from .checkpoint import check_checkpoint
from .loading import CausalLM, load_model

NEEDED = ("onnx", "onnxscript", "onnxruntime")
LARGE = 5 * 10**8
"""Weights, of four bytes each, above which they lie in a file of their own: one ONNX file holds 2 GB at most."""

_USE = """`model.onnx` takes `input_ids` and `attention_mask` [batch, tokens] (int64, padded on the left), and gives
`logits` [batch, tokens, vocabulary]. It keeps no cache: for each token the text is read anew. Greedily:

```python
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("THIS_DIRECTORY/tokenizer.json")
session = onnxruntime.InferenceSession("THIS_DIRECTORY/model.onnx")
ids = tokenizer.encode("A PROMPT =>").ids
begun = len(ids)
while len(ids) < begun + 28 and ids[-1] != END:
    given = np.array([ids], np.int64)
    logits = session.run(None, {"input_ids": given, "attention_mask": np.ones_like(given)})[0]
    ids.append(int(logits[0, -1].argmax()))
print(tokenizer.decode(ids[begun:]))
```
"""


class _Logits(nn.Module):
    """Ids and mask [n, T], padded on the left, to logits [n, T, V]."""

    def __init__(self, model: CausalLM) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        place = (attention_mask.cumsum(1) - 1).clamp(min=0)
        given = {"attention_mask": attention_mask, "position_ids": place, "use_cache": False}
        return self.model(input_ids=input_ids, **given).logits


def export_onnx(checkpoint: Path, to: Path) -> None:
    """Writes `model.onnx`, tokenizer, settings and a model card: all of it, or nothing.

    Args:
        checkpoint: of a run.
        to: directory that is made.

    Raises:
        InputError: the extra `onnx` is not installed, the checkpoint is torn, or its kind of model has no ONNX form.
    """
    absent = [name for name in NEEDED if find_spec(name) is None]
    if absent:
        raise InputError(f"--format onnx: {', '.join(absent)} not installed; pip install 'copybandit[onnx]'")
    check_checkpoint(checkpoint)
    tokenizer, model = load_model(str(checkpoint), seed=0)

    def write(folder: Path) -> None:
        _write_graph(model, folder / "model.onnx")
        weights = (MANIFEST, "*.safetensors", "*.safetensors.index.json")
        shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns(*weights), dirs_exist_ok=True)
        card = (checkpoint / "README.md").read_text(encoding="utf-8")
        (folder / "README.md").write_text(_card(card, tokenizer.eos_token_id), encoding="utf-8")

    write_folder(to, write)


def _card(card: str, end: Any) -> str:
    """A checkpoint's model card, with the snippet for transformers replaced by the one for ONNX Runtime."""
    before, _, rest = card.replace("library_name: transformers", "library_name: onnx").partition("```python\n")
    return before + _USE.replace("END", str(end)) + rest.partition("```\n")[2]


def _write_graph(model: CausalLM, path: Path) -> None:
    ids = torch.tensor([[0, 1, 2], [2, 1, 0]])
    sizes = {0: Dim("batch"), 1: Dim("tokens")}
    with _quiet():
        try:
            torch.onnx.export(
                _Logits(model).eval(),
                (ids, torch.tensor([[0, 1, 1], [1, 1, 1]])),
                path,
                dynamo=True,
                verbose=False,
                input_names=["input_ids", "attention_mask"],
                output_names=["logits"],
                dynamic_shapes=(sizes, sizes),
                external_data=sum(weight.numel() for weight in model.parameters()) > LARGE,
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            kind = model.config.model_type
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise InputError(f"--format onnx: {kind} has no form in ONNX ({reason}); leave out --format") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter remarks on what is not installed and on names that it does not need."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
