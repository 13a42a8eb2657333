"""Trains ember from nothing: tokenizer, then model, on text that generator.py writes as it is needed.

    python tools/ember/train.py --out DIR --minutes 70 [--threads 2] [--seed 1]

Writes DIR/hf, a Hugging Face folder. Every five minutes the whole state goes to DIR/state.pt; the same command again goes on from
there. No example is seen twice: batch n is written from (seed, n), so a resumed run sees what an unbroken one would have.
Only the assistant's words and its end token are learned; a question's words cannot be foreseen.
"""

import argparse
import math
import random
import time
from pathlib import Path

import torch
from transformers import AttentionInterface, AttentionMaskInterface, GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.utils.logging import disable_progress_bar

import generator
from start import begin
from tokenizer import END, TURN, load_or_train

CONTEXT = 512
VOCABULARY = 2560
# (hidden, heads, ffn) by name: 1.6, 2.1 and 2.8 M parameters; "medium" is ember. Wide and shallow: on a CPU four layers of 192
# train faster than six of 160, and plots need little depth. All columns are multiples of 32, the block of Q8_0.
SIZES = {"small": (160, 5, 384), "medium": (192, 6, 448), "large": (224, 7, 544)}
LAYERS = 4
# Slow rotations leave some pairs of a head almost still over 512 positions: those compare contents (start.py).
ROPE = {"rope_type": "default", "rope_theta": 1e6}
CHATS_A_STEP = 8
SORTED_STEPS = 16
ROUND = 32
ECHO_STEPS = 200
PEAK_RATE = 2e-3
WARMUP = 0.02
STORE_SECONDS = 300
IGNORED = -100


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for hf/, tokenizer and state.pt")
    parser.add_argument("--minutes", type=float, default=70, help="training time in all, resumed parts included (default 70)")
    parser.add_argument("--steps", type=int, help="train for so many steps instead, the same on any machine")
    parser.add_argument("--size", choices=SIZES, default="medium", help="1.6, 2.1 or 2.8 million parameters (default medium)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")
    parser.add_argument("--seed", type=int, default=1, help="seed of weights and text (default 1)")
    parser.add_argument("--f32", action="store_true", help="compute in f32 where the machine has no bf16 instructions")
    return parser.parse_args()


def example(tokenizer: PreTrainedTokenizerFast, rng: random.Random, step: int) -> tuple[list[int], list[int]]:
    """(ids, labels) of one chat, or now and then of a story that stands alone.

    Half of the first ECHO_STEPS only have words to say back: otherwise a model knows the plots by heart before it finds a
    use for what copies (start.py).
    """
    encode = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    end = tokenizer.convert_tokens_to_ids(END)
    if rng.random() < 0.06:
        ids = [end, *encode(generator.tale(rng)), end]
        return ids, ids
    ids, labels = [], []
    turn = tokenizer.convert_tokens_to_ids(TURN)
    if step < ECHO_STEPS and rng.random() < 0.5:
        question, answer = generator.echo(rng, most=24)
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    else:
        messages = generator.chat(rng)
    for message in messages:
        head = encode(f"<|im_start|>{message['role']}\n")
        body = [*encode(message["content"]), turn]
        learned = message["role"] == "assistant"
        ids += [*head, *body, *encode("\n")]
        labels += [*([IGNORED] * len(head)), *(body if learned else [IGNORED] * len(body)), IGNORED]
    return ids[:CONTEXT], labels[:CONTEXT]


def batches(tokenizer: PreTrainedTokenizerFast, seed: int, step: int):
    """Batches from `step` on, for ever. Chats of SORTED_STEPS batches are sorted by length, so that little is padding."""
    while True:
        block = step // SORTED_STEPS
        rng = random.Random(seed * 1_000_003 + block)
        examples = sorted((example(tokenizer, rng, block * SORTED_STEPS) for _ in range(CHATS_A_STEP * SORTED_STEPS)), key=lambda e: len(e[0]))
        order = list(range(SORTED_STEPS))
        rng.shuffle(order)
        for slot in order[step % SORTED_STEPS :]:
            yield padded(examples[slot * CHATS_A_STEP : (slot + 1) * CHATS_A_STEP])
            step += 1


def padded(examples: list) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids, labels), both (b, t). Padding is to the right, where a causal model does not see it.

    t is rounded up, because oneDNN prepares itself anew for every shape it has not seen.
    """
    t = -(-max(len(ids) for ids, _ in examples) // ROUND) * ROUND
    ids = torch.zeros(len(examples), t, dtype=torch.long)
    labels = torch.full((len(examples), t), IGNORED)
    for row, (i, want) in enumerate(examples):
        ids[row, : len(i)] = torch.tensor(i)
        labels[row, : len(want)] = torch.tensor(want)
    return ids, labels


def attention_in_f32(module, query, key, value, mask, **options):
    """Scaled dot products without autocast: on a CPU torch's backward pass of them takes three times as long in bf16."""
    with torch.autocast("cpu", enabled=False):
        return sdpa_attention_forward(module, query.float(), key.float(), value.float(), mask, **options)


AttentionInterface.register("sdpa_f32", attention_in_f32)
AttentionMaskInterface.register("sdpa_f32", sdpa_mask)


def rate(progress: float) -> float:
    """The learning rate at `progress` in 0..1: linear warm-up, then half a cosine down to a hundredth."""
    if progress < WARMUP:
        return PEAK_RATE * (progress / WARMUP + 0.01)
    along = min(1.0, (progress - WARMUP) / (1 - WARMUP))
    return PEAK_RATE * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * along)))


def new_model(tokenizer: PreTrainedTokenizerFast, size: str) -> LlamaForCausalLM:
    end, turn = (tokenizer.convert_tokens_to_ids(t) for t in (END, TURN))
    hidden, heads, ffn = SIZES[size]
    config = LlamaConfig(
        hidden_size=hidden,
        num_hidden_layers=LAYERS,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        intermediate_size=ffn,
        vocab_size=VOCABULARY,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        rope_parameters=ROPE,
        rms_norm_eps=1e-5,
        bos_token_id=end,
        eos_token_id=turn,
        pad_token_id=end,
        attn_implementation="sdpa_f32",
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(bos_token_id=end, eos_token_id=[turn, end], pad_token_id=end)
    return model


def save(folder: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder, save_jinja_files=False)


def samples(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Prints what the model says now, greedily: a subject it knows, one that nobody has, a fact, a sum."""
    model.eval()
    for prompt in ("Tell me about the lighthouse.", "Tell me a story about a purple zamboni", "How do I stream?", "What is 37 + 45?"):
        text = f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        out = model.generate(ids, max_new_tokens=160, do_sample=False)
        print(f"  {prompt} -> {tokenizer.decode(out[0, ids.shape[1] :])}", flush=True)
    model.train()


class Training:
    """Model, optimizer and how far they are; `state.pt` is this."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        torch.set_num_threads(options.threads)
        self.tokenizer = load_or_train(options.out, VOCABULARY, options.seed)
        self.model = new_model(self.tokenizer, options.size)
        self.circuit = begin(self.model, options.seed)
        decayed = [p for p in self.model.parameters() if p.ndim == 2]
        plain = [p for p in self.model.parameters() if p.ndim != 2]
        groups = [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.98), fused=True)
        self.step, self.seconds, self.tokens, self.loss = 0, 0.0, 0, math.nan
        self.path = options.out / "state.pt"
        if self.path.exists():
            self.restore()

    def restore(self) -> None:
        state = torch.load(self.path)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.tokens, self.loss = state["at"]
        print(f"resumed at step {self.step}, {self.seconds / 60:.1f} minutes", flush=True)

    def store(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "at": (self.step, self.seconds, self.tokens, self.loss),
        }
        temporary = self.path.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self.path)
        save(self.options.out / "hf", self.model, self.tokenizer)
        samples(self.model, self.tokenizer)

    def learn(self, ids: torch.Tensor, labels: torch.Tensor, lr: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        wanted = labels[:, 1:] != IGNORED
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not self.options.f32):
            hidden = self.model.model(input_ids=ids, use_cache=False).last_hidden_state
            # Logits only where something is to be learned, which is a little more than half of the positions.
            logits = self.model.lm_head(hidden[:, :-1][wanted])
        loss = torch.nn.functional.cross_entropy(logits.float(), labels[:, 1:][wanted])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        for held in self.circuit:
            held.hold()
        self.optimizer.zero_grad()
        value = loss.item()
        self.loss = value if math.isnan(self.loss) else 0.98 * self.loss + 0.02 * value

    def progress(self) -> float:
        """How much of the training is done, 0..1."""
        options = self.options
        return self.step / options.steps if options.steps else self.seconds / (options.minutes * 60)

    def run(self) -> None:
        stored = self.seconds
        started, before = time.monotonic(), self.seconds
        for ids, labels in batches(self.tokenizer, self.options.seed, self.step):
            progress = self.progress()
            if progress >= 1:
                break
            self.learn(ids, labels, rate(progress))
            self.step += 1
            self.tokens += ids.numel()
            self.seconds = before + time.monotonic() - started
            if self.step % 100 == 0:
                speed = self.tokens / self.seconds
                print(f"step {self.step} · {self.tokens} tokens · {self.seconds / 60:.1f} min · loss {self.loss:.3f} · {speed:.0f} tokens/s", flush=True)
            if self.seconds - stored > STORE_SECONDS:
                stored = self.seconds
                self.store()
        self.store()
        print(f"{self.step} steps, {self.tokens} tokens, {self.seconds / 60:.1f} minutes, loss {self.loss:.3f}", flush=True)


if __name__ == "__main__":
    disable_progress_bar()
    Training(arguments()).run()
