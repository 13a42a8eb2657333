"""Checkpoints that no test has seen, in both formats: drawn anew from a seed, with other sizes, options and texts.

    python tools/oracle/unseen.py SEED OUT [TEXT]      # TEXT: only the checkpoints with it in their names; then check.mjs

Below OUT: checkpoints/NAME/ are Hugging Face folders with an expected.json (tools/fixtures/README.md says what is in it);
foreign/NAME.TYPE.gguf are files by PyPI's gguf, the permutation of llama's q and k written anew (tools/fixtures/foreign.py).
Types whose quantiser PyPI's gguf has are made of the folders' weights. Its K-quants it can only read, so those files hold
random blocks: every block is valid, and which model it makes does not matter.
"""

import json
import random
import sys
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES
from transformers import (
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GraniteConfig,
    LlamaConfig,
    Ministral3Config,
    MistralConfig,
    Olmo2Config,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)
from transformers.utils.logging import disable_progress_bar

sys.path.append(str(Path(__file__).resolve().parents[1] / "fixtures"))
import checkpoints  # noqa: E402
import foreign  # noqa: E402
from checkpoints import LLAMA3_ROPE, YARN, Checkpoint, draw, longrope, sizes  # noqa: E402
from vocabularies import llama_bpe, llama_spm, qwen2_bpe, qwen3_bpe  # noqa: E402

CONTEXT = 512
CALM = 0.4
PLAIN = [Type.F32, Type.F16, Type.BF16]
BLOCKS_OF_32 = [Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1]
# What llama.cpp's Q4_K_M mixes: the tensors that hurt most when rounded are Q6_K.
FINER = {"Q4_K_M": (Type.Q4_K, Type.Q6_K), "Q5_K_M": (Type.Q5_K, Type.Q6_K)}
KQUANTS = {t.name: (t, t) for t in (Type.Q2_K, Type.Q3_K, Type.Q4_K, Type.Q5_K, Type.Q6_K)} | FINER

# For each K-quant: where its f16 scales lie in a block, and how the scale of its minimums relates to that of its values, so
# that random blocks have mean zero.
SCALES = {
    Type.Q2_K: (80, (82, 1.5)),
    Type.Q3_K: (108, None),
    Type.Q4_K: (0, (2, 7.5)),
    Type.Q5_K: (0, (2, 15.5)),
    Type.Q6_K: (208, None),
}
WORDS = "lamp fog harbour owl 37 ships — “turned” déjà it's they've 日本 🦊 bread, (grey) const x=12; \n hill's\t stories".split(" ")


def shape(rng: random.Random, step: int = 2, **more) -> dict:
    """Sizes at random; columns are multiples of `step`."""
    kv_heads = rng.choice([1, 2, 3])
    heads = kv_heads * rng.choice([1, 2, 4])
    d = 2 * rng.randint(3, 12)
    while heads * d % step:
        d += 2
    f = step * max(1, rng.randint(40, 120) // step)
    drawn = sizes(heads * d, heads, kv_heads, f, layers=rng.randint(2, 4), v=rng.randint(315, 345), **more)
    return drawn | {"max_position_embeddings": CONTEXT}


def folders(rng: random.Random) -> dict[str, Checkpoint]:
    eps = lambda: rng.choice([1e-5, 1e-6])  # noqa: E731
    theta = lambda: {"rope_type": "default", "rope_theta": rng.choice([5000.0, 10000.0, 500000.0])}  # noqa: E731
    dtype = lambda: rng.choice([torch.float32, torch.float16, torch.bfloat16])  # noqa: E731
    tied = lambda: rng.random() < 0.5  # noqa: E731
    rope3 = LLAMA3_ROPE | {"factor": rng.choice([4.0, 16.0]), "original_max_position_embeddings": rng.choice([32, 128])}
    llama = lambda **more: shape(rng, tie_word_embeddings=tied(), rms_norm_eps=eps(), **more)  # noqa: E731
    qwen2 = lambda **more: shape(rng, tie_word_embeddings=tied(), **more)  # noqa: E731
    made = {
        "llama": Checkpoint(LlamaConfig, llama_bpe, llama(rope_parameters=theta()), dtype(), shard="60KB"),
        "llama-biases": Checkpoint(LlamaConfig, llama_bpe, llama(attention_bias=True, mlp_bias=True), dtype()),
        "llama-rope3": Checkpoint(LlamaConfig, llama_bpe, llama(rope_parameters=rope3), dtype(), legacy_config=True),
        "llama-blocks": Checkpoint(LlamaConfig, llama_spm, llama(step=32), dtype()),
        "qwen2": Checkpoint(Qwen2Config, qwen2_bpe, qwen2(rope_parameters=theta()), dtype()),
        "qwen2-blocks": Checkpoint(Qwen2Config, qwen2_bpe, qwen2(step=32), dtype(), template_file=True),
        "qwen2-window": Checkpoint(
            Qwen2Config, qwen2_bpe, qwen2(use_sliding_window=True, sliding_window=rng.randint(3, 20), max_window_layers=1), dtype()
        ),
        "qwen3": Checkpoint(Qwen3Config, qwen3_bpe, qwen2(head_dim=2 * rng.randint(3, 12)), dtype()),
        "qwen3-biases": Checkpoint(Qwen3Config, qwen3_bpe, qwen2(head_dim=16, attention_bias=True), dtype(), legacy_config=True),
    }
    # SentencePiece learns as many pieces as the text gives, and the vocabulary is counted in full.
    made["llama-blocks"] = replace(made["llama-blocks"], sizes=made["llama-blocks"].sizes | {"vocab_size": rng.randint(330, 352)})
    return made | newer(rng, dtype, tied, theta)


def newer(rng: random.Random, dtype, tied, theta) -> dict[str, Checkpoint]:
    """The families that are more than llama and two norms."""
    plain = lambda **more: shape(rng, tie_word_embeddings=tied(), **more)  # noqa: E731
    small = lambda low, high: round(rng.uniform(low, high), 3)  # noqa: E731
    width = lambda: 2 * rng.randint(3, 12)  # noqa: E731
    yarn = YARN | {"factor": rng.choice([2.0, 8.0]), "original_max_position_embeddings": rng.choice([16, 40])}
    ministral = {"mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": small(0.1, 0.5)}
    unbetad = {k: v for k, v in yarn.items() if "beta" not in k} | {"rope_theta": rng.choice([50.0, 500.0])}

    def gemma(**more) -> dict:
        d = width()
        scale = {} if "query" not in more else {"query_pre_attn_scalar": d}
        return shape(rng, **{k: v for k, v in more.items() if k != "query"} | {"head_dim": d} | scale)

    def phi(original: int, window: int | None = None, **more) -> dict:
        drawn = plain(sliding_window=window, original_max_position_embeddings=original, **more)
        d = drawn["hidden_size"] // drawn["num_attention_heads"]
        pairs = max(1, int(d * 0.75) // 2)
        # The factor is exact in binary, and the elements are even.
        return drawn | {"rope_parameters": longrope(original, pairs, partial_rotary_factor=2 * pairs / d)}

    kinds = {
        "full_attention": {"rope_type": "linear", "rope_theta": rng.choice([1e4, 1e6]), "factor": rng.choice([2.0, 8.0])},
        "sliding_attention": {"rope_type": "default", "rope_theta": rng.choice([300.0, 1e4])},
    }
    granite = {
        "embedding_multiplier": small(1, 12),
        "attention_multiplier": small(0.1, 0.5),
        "residual_multiplier": small(0.2, 1),
        "logits_scaling": small(0.5, 2),
    }
    windowed = lambda: {"sliding_window": rng.randint(3, 20)}  # noqa: E731
    gemma2 = dict(query=True, **windowed(), attn_logit_softcapping=small(4, 50), final_logit_softcapping=small(10, 30))
    gemma3 = dict(query=True, **windowed(), rope_parameters=kinds)
    return {
        "llama-yarn": Checkpoint(LlamaConfig, llama_bpe, plain(rope_parameters=unbetad), dtype(), legacy_config=True),
        "mistral": Checkpoint(MistralConfig, llama_bpe, plain(sliding_window=None, head_dim=width()), dtype()),
        "mistral-window": Checkpoint(MistralConfig, llama_bpe, plain(**windowed(), rope_parameters=theta()), dtype()),
        "ministral3": Checkpoint(Ministral3Config, llama_bpe, plain(head_dim=width(), rope_parameters=yarn | ministral), dtype()),
        "smollm3": Checkpoint(SmolLM3Config, llama_bpe, plain() | {"num_hidden_layers": rng.randint(4, 6)}, dtype()),
        "granite": Checkpoint(GraniteConfig, llama_bpe, plain(**granite), dtype(), legacy_config=True),
        "olmo2": Checkpoint(Olmo2Config, qwen2_bpe, shape(rng, tie_word_embeddings=False), dtype()),
        "phi": Checkpoint(Phi3Config, llama_bpe, plain(sliding_window=None), dtype()),
        "phi-long": Checkpoint(Phi3Config, qwen2_bpe, phi(rng.choice([12, 16])), dtype()),
        # Comes to be longer than the original context while it answers, and has a window.
        "phi-across": Checkpoint(Phi3Config, llama_bpe, phi(90, window=rng.randint(3, 20)), dtype()),
        "gemma": Checkpoint(GemmaConfig, llama_bpe, gemma(), dtype()),
        "gemma2": Checkpoint(Gemma2Config, llama_bpe, gemma(**gemma2), dtype()),
        "gemma3": Checkpoint(Gemma3TextConfig, llama_bpe, gemma(**gemma3) | {"num_hidden_layers": rng.randint(6, 8)}, dtype()),
    }


# llama.cpp has no window for qwen2, mistral and phi3, and no biases for qwen3; of longrope it goes by the window that was asked for.
OTHERWISE = ("qwen2-window", "qwen3-biases", "mistral-window", "phi-across")


def random_blocks(rng: np.random.Generator, rows: int, columns: int, dtype: Type, spread: float) -> np.ndarray:
    """(rows, bytes) of random blocks whose values have mean 0 and a standard deviation near `spread`."""
    elements, size = GGML_QUANT_SIZES[dtype]
    count = rows * columns // elements
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    at, minimum = SCALES[dtype]

    def scale(value: np.ndarray) -> None:
        blocks[:, at : at + 2] = value.astype(np.float16).view(np.uint8).reshape(-1, 2)
        if minimum is not None:
            blocks[:, minimum[0] : minimum[0] + 2] = (value * minimum[1]).astype(np.float16).view(np.uint8).reshape(-1, 2)

    scale(np.full(count, 2.0**-6))
    unit = quants.dequantize(blocks, dtype).std() * 2.0**6
    scale(rng.uniform(0.5, 1.5, count) * spread / unit)
    return blocks.reshape(rows, -1)


def write_kquant(folder: Path, path: Path, types: tuple[Type, Type], seed: int) -> None:
    """The folder's model with matrices of random blocks: `types` for most, and for the ones that are to be finer."""
    config = json.loads((folder / "config.json").read_text())
    rng = np.random.default_rng(seed)
    e, h, g, f = (config[k] for k in ("hidden_size", "num_attention_heads", "num_key_value_heads", "intermediate_size"))
    v, d = config["vocab_size"], config.get("head_dim") or e // h
    writer = gguf.GGUFWriter(path, foreign.architecture(config))
    writer.add_name(path.stem)
    foreign.add_hyperparameters(writer, config, d)
    foreign.add_tokenizer(writer, folder, config, "llama-bpe" if config["model_type"] == "llama" else "qwen2")

    def norm(name: str, size: int) -> None:
        writer.add_tensor(name, rng.uniform(0.4, 1.6, size).astype(np.float32))

    def matrix(name: str, rows: int, columns: int, gain: float, finer: bool = False) -> None:
        dtype = types[finer]
        writer.add_tensor(name, random_blocks(rng, rows, columns, dtype, gain / columns**0.5), raw_dtype=dtype)

    matrix("token_embd.weight", v, e, 3.0)
    norm("output_norm.weight", e)
    matrix("output.weight", v, e, 3.0, finer=True)
    for layer in range(config["num_hidden_layers"]):
        at = f"blk.{layer}"
        norm(f"{at}.attn_norm.weight", e)
        norm(f"{at}.ffn_norm.weight", e)
        matrix(f"{at}.attn_q.weight", h * d, e, 1.4)
        matrix(f"{at}.attn_k.weight", g * d, e, 1.4)
        matrix(f"{at}.attn_v.weight", g * d, e, 1.2, finer=layer % 2 == 0)
        matrix(f"{at}.attn_output.weight", e, h * d, 1.2 * CALM)
        matrix(f"{at}.ffn_gate.weight", f, e, 1.2)
        matrix(f"{at}.ffn_up.weight", f, e, 1.2)
        matrix(f"{at}.ffn_down.weight", e, f, 1.2 * CALM, finer=layer % 2 == 0)
        if config["model_type"] == "qwen2":
            for part, size in (("q", h * d), ("k", g * d), ("v", g * d)):
                writer.add_tensor(f"{at}.attn_{part}.bias", rng.normal(0, 0.4, size).astype(np.float32))
        if config["model_type"] == "qwen3":
            norm(f"{at}.attn_q_norm.weight", d)
            norm(f"{at}.attn_k_norm.weight", d)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def wide(rng: random.Random) -> dict[str, Checkpoint]:
    """Models whose columns the K-quants' blocks of 256 divide; only their config and tokenizer are used."""
    big = lambda **more: sizes(256 * rng.choice([1, 2]), 8, rng.choice([1, 2, 8]), 512, layers=3, v=338, **more) | {  # noqa: E731
        "max_position_embeddings": CONTEXT
    }
    return {
        "llama-k": Checkpoint(LlamaConfig, llama_bpe, big(tie_word_embeddings=False, rms_norm_eps=1e-5)),
        "qwen2-k": Checkpoint(Qwen2Config, qwen2_bpe, big(tie_word_embeddings=False)),
        "qwen3-k": Checkpoint(Qwen3Config, qwen3_bpe, big(tie_word_embeddings=False, head_dim=64)),
    }


def told_apart(_chosen: list[int], values: torch.Tensor) -> bool:
    """Whether the five best of a step keep their order in f32, where rounding is a hundredth of this: all that is asked here."""
    return bool((values[:-1] - values[1:] > 5e-4).all())


def calm(model: torch.nn.Module, seed: int) -> None:
    """Weights as fixtures have them, but layers that add little to what they read, as trained ones do.

    The fixtures' layers are there to show every error, and so they show rounding too: llama.cpp is then as far from itself, one
    token at a time instead of all at once, as the bound on KL allows (2.8e-3 in Q4_K_M).
    """
    draw(model, seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "o_proj.weight" in name or "down_proj.weight" in name:
                p.mul_(CALM)


def pre_tokenizer(checkpoint: Checkpoint) -> str | None:
    return {llama_bpe: "llama-bpe", llama_spm: None}.get(checkpoint.vocabulary, "qwen2")


def main(seed: int, out: Path, only: str) -> None:
    rng = random.Random(seed)
    checkpoints.PROMPT = " ".join(rng.choices(WORDS, k=12))
    checkpoints.OUT = out / "checkpoints"
    checkpoints.clear = told_apart
    checkpoints.telling = lambda _chosen, _text: True
    (out / "foreign").mkdir(parents=True, exist_ok=True)
    drawn, large = ({k: v for k, v in made.items() if only in k} for made in (folders(rng), wide(rng)))
    for name, checkpoint in (drawn | large).items():
        checkpoints.CHECKPOINTS[name] = checkpoint
        checkpoints.draw = calm if name.endswith(("-blocks", "-k")) else draw
        checkpoints.write(name, first_seed=1000 * seed)
    for name, checkpoint in drawn.items():
        if name in OTHERWISE:
            continue
        for dtype in PLAIN + (BLOCKS_OF_32 if name.endswith("-blocks") else []):
            foreign.write(name, dtype, pre_tokenizer(checkpoint), out)
    for name, checkpoint in large.items():
        # Columns of whole blocks of 256, for which kernels have ways of their own.
        for dtype in (Type.Q8_0, Type.Q4_0):
            foreign.write(name, dtype, pre_tokenizer(checkpoint), out)
        for index, (label, types) in enumerate(KQUANTS.items()):
            write_kquant(out / "checkpoints" / name, out / "foreign" / f"{name}.{label.lower()}.gguf", types, 100 * seed + index)


if __name__ == "__main__":
    disable_progress_bar()
    torch.set_num_threads(1)
    main(int(sys.argv[1]), Path(sys.argv[2]).resolve(), sys.argv[3] if len(sys.argv) > 3 else "")
