"""What all exports of a checkpoint into another form share: settings, tokenizer, a card that says how it is opened."""

import shutil
from collections.abc import Callable
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from ...simulation.data.files import MANIFEST, write_folder
from .checkpoint import check_checkpoint
from .loading import CausalLM, load_model


def write_export(
    checkpoint: Path,
    to: Path,
    write_model: Callable[[CausalLM, PreTrainedTokenizerBase, Path], None],
    use: str,
    *,
    library: str,
) -> None:
    """Writes a checkpoint with its weights in another form: all of it, or nothing.

    Args:
        checkpoint: of a run.
        to: directory that is made.
        write_model: writes model and tokenizer into a folder.
        use: how the form is opened, for the card; `END` in it is the number of the last token, `TEMPERATURE` how the
            writer samples.
        library: that opens it, for the card.

    Raises:
        InputError: the checkpoint is not there, torn, or has not this form.
    """
    check_checkpoint(checkpoint)
    tokenizer, model = load_model(str(checkpoint), seed=0)
    used = use.replace("END", str(tokenizer.eos_token_id))
    used = used.replace("TEMPERATURE", f"{model.generation_config.temperature or 1.0:g}")

    def write(folder: Path) -> None:
        write_model(model, tokenizer, folder)
        weights = (MANIFEST, "*.safetensors", "*.safetensors.index.json")
        shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns(*weights), dirs_exist_ok=True)
        card = (checkpoint / "README.md").read_text(encoding="utf-8")
        (folder / "README.md").write_text(_card(card, used, library), encoding="utf-8")

    write_folder(to, write)


def _card(card: str, use: str, library: str) -> str:
    """A checkpoint's model card, with the snippet for transformers replaced by the one for the form."""
    before, _, rest = card.replace("library_name: transformers", f"library_name: {library}").partition("```python\n")
    return before + use + rest.partition("```\n")[2]
