"""TRL's PPOTrainer as it comes, to measure ours against: its own sampling, its own value model, its own settings."""

import contextlib
import copy
import tempfile
from collections.abc import Sequence

import torch
from datasets import Dataset
from torch import nn
from transformers import DataCollatorWithPadding, PrinterCallback
from trl.experimental.ppo import PPOConfig, PPOTrainer

from ...simulation.data.catalog import Product
from ..reward.reward import RewardFunction
from ..writer.writer import CausalLM, Writer, prompt
from .contract import OnUpdate, TuneConfig, Tuned, as_it_was
from .ppo import UpdateWatch
from .reward_adapter import RewardAdapter


class _ValueModel(nn.Module):
    """A second network of the writer's shape with one output a token, as TRL asks for."""

    base_model_prefix = "trunk"

    def __init__(self, model: CausalLM) -> None:
        super().__init__()
        self.trunk = copy.deepcopy(model.base_model)
        self.score = nn.Linear(model.config.hidden_size, 1, bias=False)


def tune_stock(
    writer: Writer,
    asked: Sequence[tuple[Product, str]],
    reward: RewardFunction,
    config: TuneConfig,
    *,
    seed: int,
    on_update: OnUpdate = lambda update: None,
) -> Tuned:
    """Tunes the writer in place by TRL's PPOTrainer; see `ppo.tune`.

    Of `config` it takes updates, batch, the penalty for no end and the learning rate, as TRL's own of 3e-6 would move a
    writer this small not at all. Everything else is TRL's default: four passes over a batch in one piece, KL
    coefficient 0.05, lambda 0.95, a value model.
    """
    adapter = RewardAdapter(writer, asked, reward, grouped=False)
    watch = UpdateWatch(adapter, None, on_update)
    writer.tokenizer.padding_side = "left"
    rows = [{"input_ids": writer.tokenizer(prompt(*pair))["input_ids"]} for pair in asked]
    rows *= -(-config.batch // len(rows))
    with tempfile.TemporaryDirectory() as scratch, as_it_was(writer.device):
        torch.manual_seed(seed)
        trainer = PPOTrainer(
            args=PPOConfig(
                output_dir=scratch,
                total_episodes=config.updates * config.batch,
                per_device_train_batch_size=config.batch,
                gradient_accumulation_steps=1,
                learning_rate=config.learning_rate,
                response_length=writer.config.max_new_tokens,
                temperature=writer.config.temperature,
                stop_token="eos",
                missing_eos_penalty=config.missing_end,
                num_sample_generations=0,
                seed=seed,
                save_strategy="no",
                report_to="none",
                logging_steps=1,
                disable_tqdm=True,
                bf16=False,
                gradient_checkpointing=False,
                use_cpu=writer.device.type == "cpu",
            ),
            processing_class=writer.tokenizer,
            model=writer.model,
            ref_model=copy.deepcopy(writer.model).requires_grad_(False),
            reward_model=adapter,  # pyright: ignore[reportArgumentType]
            value_model=_ValueModel(writer.model),  # pyright: ignore[reportArgumentType]
            train_dataset=Dataset.from_list(rows),
            eval_dataset=Dataset.from_list(rows[:1]),
            data_collator=DataCollatorWithPadding(writer.tokenizer),
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)
        with contextlib.redirect_stdout(None):
            trainer.train()
    writer.model.eval()
    return Tuned(watch.seen)
