"""A checkpoint as ONNX: a graph from ids and mask to logits, in 32 bits or in 8, good without PyTorch."""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim
from transformers import PreTrainedTokenizerBase

from ...simulation.data.errors import InputError
from .exported import write_export
from .loading import CausalLM

NAME = "model.onnx"
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
    _refuse_absent("onnx")
    write_export(checkpoint, to, lambda model, _, folder: _write_graph(model, folder / NAME), _USE, library="onnx")


def export_int8(checkpoint: Path, to: Path) -> None:
    """The same graph with its matrices in 8 bits; what they are multiplied with is rounded as it comes (ONNX Runtime's
    dynamic quantisation). Arguments and errors as `export_onnx`.
    """
    _refuse_absent("int8")

    def write(model: CausalLM, _: PreTrainedTokenizerBase, folder: Path) -> None:
        from onnxruntime.quantization import quantize_dynamic  # an extra  # pyright: ignore[reportMissingImports]

        with tempfile.TemporaryDirectory(dir=folder) as whole, _quiet():
            _write_graph(model, Path(whole) / NAME)
            large = sum(weight.numel() for weight in model.parameters()) > 4 * LARGE
            quantize_dynamic(Path(whole) / NAME, folder / NAME, per_channel=True, use_external_data_format=large)

    write_export(checkpoint, to, write, _USE, library="onnx")


def _refuse_absent(form: str) -> None:
    absent = [name for name in NEEDED if find_spec(name) is None]
    if absent:
        raise InputError(f"--format {form}: {', '.join(absent)} not installed; pip install 'copybandit[onnx]'")


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
    """Exporter and quantiser remark on what is not installed and on names and steps that they do not need."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
