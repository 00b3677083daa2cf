"""Our sampler against Hugging Face's, and our answers' log-probabilities against TRL's."""

from unittest import mock

import pytest
import torch
from copybandit.policies.tuning.trl_calls import AnswerLogits, Calls
from copybandit.policies.writer.likelihood import log_likelihood
from copybandit.policies.writer.prefix import SHARED, shared_tokens
from copybandit.policies.writer.rollout import Sampling, draw, sample
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
from trl.experimental.ppo import ppo_trainer

PAD, EOS = 0, 1


def gpt2():
    torch.manual_seed(0)
    shape = GPT2Config(
        vocab_size=40, n_positions=64, n_embd=32, n_layer=2, n_head=2, pad_token_id=PAD, eos_token_id=EOS
    )
    return GPT2LMHeadModel(shape).eval()


def llama():
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=40,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        pad_token_id=PAD,
        eos_token_id=EOS,
    )
    return LlamaForCausalLM(shape).eval()


@pytest.fixture(params=[gpt2, llama])
def model(request):
    found = request.param()
    with torch.no_grad():
        found.get_output_embeddings().weight.mul_(8)  # far from uniform
    return found


def prompts(opening=()):
    """Padded on the left, some of them twice."""
    rows = [[5, 6, 7], [8, 9], [5, 6, 7], [10, 11, 12, 13, 14], [8, 9], [20]]
    ids = torch.tensor([[PAD] * (5 - len(row)) + [*opening, *row] for row in rows]).repeat(4, 1)
    return ids, (ids != PAD).long()


def by_hugging_face(model, ids, mask, how, seed):
    """`generate` with the same uniform numbers: its own draw takes one a token of the vocabulary instead."""
    torch.manual_seed(seed)
    uniform = iter(torch.rand(how.max_new_tokens, len(ids)))

    def multinomial(probabilities, num_samples):
        return draw(probabilities.log(), next(uniform), Sampling(1, 1.0, EOS, PAD))[0][:, None]

    with mock.patch("torch.multinomial", multinomial), torch.no_grad():
        out = model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            temperature=how.temperature,
            top_p=how.top_p,
            top_k=0,
            max_new_tokens=how.max_new_tokens,
            pad_token_id=PAD,
            eos_token_id=EOS,
        )
    return out[:, ids.shape[1] :]


@pytest.mark.parametrize("top_p", [1.0, 0.7])
def test_the_same_tokens_as_hugging_face(model, top_p):
    ids, mask = prompts()
    how = Sampling(12, 0.9, EOS, PAD, top_p)
    for seed in range(5):
        torch.manual_seed(seed)
        found = sample(model, ids, mask, how)
        assert torch.equal(found.tokens, by_hugging_face(model, ids, mask, how, seed))


def test_log_probabilities_are_those_of_a_forward_pass(model):
    ids, mask = prompts()
    found = sample(model, ids, mask, Sampling(12, 0.9, EOS, PAD))
    again = log_likelihood(model, torch.cat([ids, found.tokens], 1), ids.shape[1], PAD, 0.9)
    # An untrained model may say the padding token in earnest, which training then takes for padding: such rows are out.
    padding = found.tokens == PAD
    ended = ((found.tokens == EOS).cumsum(1) > 0) & (found.tokens != EOS)
    clean = ~(padding & ~ended).any(1)
    assert clean.sum() >= 6
    assert torch.allclose(found.log_probs[clean], again[clean], atol=1e-4)
    assert (found.log_probs[clean][padding[clean]] == 0).all()


def test_what_an_answer_may_not_have_does_not_exist(model):
    """Neither in sampling nor in training: of a choice among all tokens the shares of those that may be add up to 1."""
    ids, mask = prompts()

    def sayable(given):
        return torch.arange(20, 40), torch.arange(20)[None] % 2 == given.sum(1, keepdim=True) % 2

    how = Sampling(6, 0.9, EOS, PAD, sayable=sayable)
    found = sample(model, ids, mask, how)
    allowed = torch.ones(len(ids), model.config.vocab_size, dtype=torch.bool)
    allowed[:, 20:40] = sayable(ids)[1]
    assert allowed.gather(1, found.tokens).all()
    every = torch.cat([ids.repeat_interleave(40, 0), torch.arange(40).repeat(len(ids))[:, None]], 1)
    every[every[:, -1] == PAD, -1] = EOS
    log_probs = log_likelihood(model, every, ids.shape[1], PAD, 0.9, sayable).view(len(ids), 40)
    plain = log_likelihood(model, every, ids.shape[1], PAD, 0.9).view(len(ids), 40)
    may = allowed[:, :40]
    assert torch.equal(log_probs.isfinite(), may)
    shift = (log_probs - plain)[may].view(-1)
    assert (shift > 0).all()
    again = log_likelihood(model, torch.cat([ids, found.tokens], 1), ids.shape[1], PAD, 0.9, sayable)
    clean = ~((found.tokens == PAD) & ~((found.tokens == EOS).cumsum(1) > 0)).any(1)
    assert clean.sum() >= 4
    assert torch.allclose(found.log_probs[clean], again[clean], atol=1e-4)


def test_it_stops_when_all_have_ended(model):
    ids, mask = prompts()
    with torch.no_grad():
        model.get_output_embeddings().weight.zero_()
    found = sample(model, ids, mask, Sampling(500 if model.config.model_type == "llama" else 40, 1.0, EOS, PAD))
    ended = (found.tokens == EOS).any(1)
    assert found.tokens.shape[1] <= 500
    assert ((found.tokens == EOS).sum(1) <= 1).all()
    assert ended.any()


def test_a_uniform_number_falls_into_the_tokens_share():
    logits = torch.log(torch.tensor([[0.2, 0.5, 0.3]])).expand(5, -1)
    token, log_prob = draw(logits, torch.tensor([0.0, 0.19, 0.21, 0.69, 0.71]), Sampling(1, 1.0, EOS, PAD))
    assert token.tolist() == [0, 0, 1, 1, 2]
    assert torch.allclose(log_prob.exp(), torch.tensor([0.2, 0.2, 0.5, 0.5, 0.3]))


@pytest.mark.parametrize("opening", [[], list(range(10, 10 + SHARED)), [*range(10, 36), 9, 9]])
def test_answers_and_gradients_as_trl_computes_them(model, opening):
    """Of prompts that begin alike, too."""
    ids, _ = prompts(opening)
    answers = torch.randint(2, 40, (len(ids), 6), generator=torch.Generator().manual_seed(0))
    answers[::3, 4:] = PAD
    both, valid = torch.cat([ids, answers], 1), answers != PAD
    logits = ppo_trainer.forward(model, both, PAD).logits[:, ids.shape[1] - 1 : -1] / 0.9
    theirs = ppo_trainer.selective_log_softmax(logits, answers)
    ours = log_likelihood(model, both, ids.shape[1], PAD, 0.9)
    assert torch.allclose(ours[valid], theirs[valid], atol=1e-5)
    for weight in (model.get_output_embeddings().weight, next(model.base_model.parameters())):
        gradients = [torch.autograd.grad(found[valid].sum(), weight, retain_graph=True)[0] for found in (ours, theirs)]
        assert torch.allclose(gradients[0], gradients[1], atol=1e-4)


def test_what_prompts_begin_with_alike():
    def shared(*rows):
        longest = max(map(len, rows))
        ids = torch.tensor([[PAD] * (longest - len(row)) + row for row in rows])
        return shared_tokens(ids, (ids != PAD).long())

    assert shared([5, 6, 7, 8], [5, 6, 9], [5, 6, 7, 7, 7]) == 2
    assert shared([5, 6, 7], [5, 6]) == 1, "a last token is left to read"
    assert shared([5, 6], [7, 6]) == 0
    assert shared([5, 6, 7]) == 0, "of one there is nothing to share"


def test_a_model_that_recomputes_its_layers_learns_the_same(model, monkeypatch):
    ids, _ = prompts()
    answers = torch.randint(2, 40, (len(ids), 6), generator=torch.Generator().manual_seed(0))
    both, weight = torch.cat([ids, answers], 1), next(model.base_model.parameters())
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            monkeypatch.setattr(part, "p", 0.0)
    found = []
    for checkpointed in (False, True):
        if checkpointed:
            model.gradient_checkpointing_enable()
        model.train()
        log_probs = log_likelihood(model, both, ids.shape[1], PAD, 0.9)
        found.append((log_probs.detach(), torch.autograd.grad(log_probs.sum(), weight)[0]))
        model.gradient_checkpointing_disable()
        model.eval()
    assert torch.allclose(found[0][0], found[1][0], atol=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-4)


def test_answers_to_one_prompt_are_learned_from_side_by_side():
    calls = Calls(Sampling(6, 0.9, EOS, PAD), 0, 0, 25.0, group=4)
    order = calls.permutation(32).reshape(8, 4)
    assert sorted(order[:, 0]) == list(range(0, 32, 4)) and order[:, 0].tolist() != list(range(0, 32, 4))
    assert (order - order[:, :1] == [0, 1, 2, 3]).all()


def test_what_trl_makes_of_logits_comes_out_of_their_stand_in():
    logits = AnswerLogits(torch.tensor([[-1.0, -2.0]]))
    logits /= 0.7
    probabilities = torch.nn.functional.softmax(logits, dim=-1)
    assert torch.equal(torch.logsumexp(logits, dim=-1) - torch.sum(probabilities * logits, dim=-1), -logits.log_probs)
    assert logits[:1, 3:-1].log_probs.tolist() == [[-1.0, -2.0]]
