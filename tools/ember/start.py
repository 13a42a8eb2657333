"""Where ember's training starts: random weights, and in two layers a circuit that copies.

To tell of a subject it has never seen, a model must look up what followed the same token earlier and say that next: an
induction head (Olsson et al. 2022) in layer 1, fed by heads of layer 0 that look one and two tokens back (two, so that
"banana" does not go round for ever). Gradient descent finds that
circuit by itself, but only after tens of millions of tokens, which is hours on two cores: nine minutes of training gave every
plot and no subject. So it is written into the weights, and held there: where to look is fixed, what to make of it is learned.

Of the residual stream, dimension CONSTANT is the same for every token, dimensions PREVIOUS and BEFORE hold summaries of the
token before and of the one before that, and the rest is the model's own.
"""

from dataclasses import dataclass

import torch
from transformers import LlamaForCausalLM

CONSTANT = 0
PREVIOUS = slice(1, 33)
BEFORE = slice(33, 65)
RESERVED = slice(0, 65)
TOKEN = slice(65, None)
EMBEDDING = 0.06
# Large, so that it still counts when training has made the embeddings grow.
CONSTANT_VALUE = 1.2
COPYING_HEADS = (0, 1, 2)
# Rotation pairs of a head: fast ones tell neighbours apart, slow ones hardly turn over a story and can compare contents.
FAST = 6
SLOW = (7, 12, 16)
LOOK_BACK_STRENGTH = 2.2
MATCH_STRENGTH = 4.5
WRITE_SCALE = 0.15
COPY_SCALE = 0.4


@dataclass
class Held:
    """Weights that training may not change: `hold` puts them back after each step."""

    parameter: torch.nn.Parameter
    index: tuple
    value: torch.Tensor

    @torch.no_grad()
    def hold(self) -> None:
        self.parameter[self.index] = self.value


def orthonormal(rows: int, columns: int, rng: torch.Generator) -> torch.Tensor:
    """(rows, columns) with orthonormal rows."""
    return torch.linalg.qr(torch.randn(columns, rows, generator=rng)).Q.T


@torch.no_grad()
def begin(model: LlamaForCausalLM, seed: int) -> list[Held]:
    """Fills all weights of `model` (norms stay ones) and returns those of the circuit, to be held."""
    rng = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        if p.ndim == 2:
            # What is added to the stream starts small, so that the circuit is not drowned in noise.
            std = 0.002 if "o_proj" in name or "down_proj" in name else p.shape[1] ** -0.5
            p.copy_(std * torch.randn(p.shape, generator=rng))
    embedding = model.model.embed_tokens.weight
    embedding.mul_(EMBEDDING / embedding.std())
    embedding[:, RESERVED] = 0
    embedding[:, CONSTANT] = CONSTANT_VALUE
    d = model.config.head_dim
    width = model.config.hidden_size - RESERVED.stop
    summary = orthonormal(d, width, rng)
    first, second = model.model.layers[0], model.model.layers[1]
    first.self_attn.o_proj.weight[RESERVED] = 0
    for head, (steps, to) in enumerate(((1, PREVIOUS), (2, BEFORE))):
        look_back(first.self_attn, head, steps, to, summary, model.config.rope_parameters["rope_theta"])
    first.mlp.down_proj.weight[RESERVED] = 0
    for head in COPYING_HEADS:
        copy(second.self_attn, head, d, summary, orthonormal(d, width, rng))

    looking, copying = slice(0, 2 * d), slice(0, d * len(COPYING_HEADS))
    everything = slice(None)
    circuit = [
        (embedding, (everything, RESERVED)),
        (first.input_layernorm.weight, (everything,)),
        (second.input_layernorm.weight, (everything,)),
        (first.self_attn.q_proj.weight, (looking,)),
        (first.self_attn.k_proj.weight, (looking,)),
        (first.self_attn.v_proj.weight, (looking,)),
        (first.self_attn.o_proj.weight, (everything, looking)),
        (first.self_attn.o_proj.weight, (RESERVED,)),
        (first.mlp.down_proj.weight, (RESERVED,)),
        (second.self_attn.q_proj.weight, (copying,)),
        (second.self_attn.k_proj.weight, (copying,)),
    ]
    return [Held(p, index, p[index].clone()) for p, index in circuit]


def look_back(attention, head: int, steps: int, to: slice, summary: torch.Tensor, theta: float) -> None:
    """A head of layer 0 attends `steps` positions back, by its rotation alone, and writes a summary of that token to `to`."""
    d = len(summary)
    rows = slice(head * d, (head + 1) * d)
    for weight in (attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight):
        weight[rows] = 0
    for j in range(FAST):
        angle = torch.tensor(steps * theta ** (-2 * j / d))
        attention.k_proj.weight[rows][j, CONSTANT] = LOOK_BACK_STRENGTH
        attention.q_proj.weight[rows][j, CONSTANT] = LOOK_BACK_STRENGTH * torch.cos(angle)
        attention.q_proj.weight[rows][j + d // 2, CONSTANT] = -LOOK_BACK_STRENGTH * torch.sin(angle)
    attention.v_proj.weight[rows, TOKEN] = summary
    attention.o_proj.weight[:, rows] = 0
    attention.o_proj.weight[to, rows] = WRITE_SCALE * torch.eye(d)


def copy(attention, head: int, d: int, summary: torch.Tensor, share: torch.Tensor) -> None:
    """A head of layer 1 attends to where the token before was the present one, best where the one before that fits too.

    It says `share` of what stands there. Each head compares other rows of the summaries, so that their errors differ.
    """
    rows = slice(head * d, (head + 1) * d)
    q, k = attention.q_proj.weight[rows], attention.k_proj.weight[rows]
    q.zero_()
    k.zero_()
    start, middle, end = SLOW
    for n, i in enumerate(i for j in range(start, end) for i in (j, j + d // 2)):
        row = (head * 10 + n) % d
        k_from = PREVIOUS if n < 2 * (middle - start) else BEFORE
        k[i, k_from.start + row] = MATCH_STRENGTH
        if k_from is PREVIOUS:
            q[i, TOKEN] = MATCH_STRENGTH * summary[row]
        else:
            q[i, PREVIOUS.start + row] = MATCH_STRENGTH
    attention.v_proj.weight[rows] = 0
    attention.v_proj.weight[rows, TOKEN] = share
    attention.o_proj.weight[:, rows] = 0
    attention.o_proj.weight[TOKEN, rows] = COPY_SCALE * share.T
