"""How much wick's quantised types lose beside llama-quantize's, on rows of every kind. No part of the tests.

    /path/to/python tools/oracle/quants.py FOLDER LLAMA_QUANTIZE [WICK...]

FOLDER gets rows.f32.gguf and both programs' files of each type; WICK is the command, by default `node dist/cli/main.js`. The rows
are matrices of a llama that cannot be run. For each kind and type a line with wick's mean squared error over llama-quantize's, of all
elements alike, and of elements weighted by their size. Values are decoded by PyPI's gguf. Fails when a ratio is above 1.02.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader, GGUFWriter, quants

TYPES = {"q4_k_s": "Q4_K", "q5_k_s": "Q5_K", "q6_k": "Q6_K"}
ROWS, COLUMNS = 128, 2048


def kinds():
    rng = np.random.default_rng(1)
    gaussian = rng.standard_normal((ROWS, COLUMNS))
    outlier = gaussian * 0.02
    outlier[np.arange(ROWS), rng.integers(0, COLUMNS, ROWS)] = rng.choice([-4.0, 4.0], ROWS)
    yield "gaussian", gaussian * 0.02
    yield "heavy-tailed", rng.standard_t(3, (ROWS, COLUMNS)) * 0.01
    yield "heavier-tailed", rng.standard_t(1.5, (ROWS, COLUMNS)) * 0.01
    yield "laplace", rng.laplace(size=(ROWS, COLUMNS)) * 0.02
    yield "uniform", rng.uniform(-1, 1, (ROWS, COLUMNS))
    yield "columns", gaussian * np.exp(rng.standard_normal(COLUMNS)) * 0.02
    yield "positive", np.abs(gaussian)
    yield "negative", -np.abs(gaussian)
    yield "offset", gaussian * 0.1 - 1
    yield "offset-up", gaussian * 0.1 + 1
    yield "equal", np.repeat(rng.standard_normal((ROWS, 1)), COLUMNS, 1)
    yield "zero", np.zeros((ROWS, COLUMNS))
    yield "both-zeros", np.where(rng.random((ROWS, COLUMNS)) < 0.5, 0.0, -0.0)
    yield "one-outlier", outlier
    yield "sparse", np.where(rng.random((ROWS, COLUMNS)) < 0.02, gaussian, 0.0)
    yield "signs", np.sign(gaussian) * 0.3
    yield "small", gaussian * 1e-6
    yield "denormal", gaussian * 1e-41
    yield "huge", np.clip(gaussian * 2e5, -9e5, 9e5)


def make(path):
    writer = GGUFWriter(path, "llama")
    count = sum(1 for _ in kinds())
    writer.add_block_count(count)
    writer.add_context_length(64)
    writer.add_embedding_length(COLUMNS)
    writer.add_feed_forward_length(COLUMNS)
    writer.add_head_count(16)
    writer.add_head_count_kv(16)
    writer.add_layer_norm_rms_eps(1e-5)
    for n, (_, rows) in enumerate(kinds()):
        writer.add_tensor(f"blk.{n}.attn_q.weight", rows.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tensors(path):
    return {t.name: quants.dequantize(t.data, t.tensor_type).astype(np.float64).reshape(ROWS, COLUMNS) for t in GGUFReader(path).tensors}


def losses(x, y):
    lost = np.square(x - y)
    return lost.mean(), (lost * np.abs(x)).mean()


def main():
    folder, peer, *wick = sys.argv[1:]
    folder, wick = Path(folder), wick or ["node", "dist/cli/main.js"]
    whole = folder / "rows.f32.gguf"
    make(whole)
    truth, worst = tensors(whole), 0
    for name, type in TYPES.items():
        theirs, ours = folder / f"peer.{name}.gguf", folder / f"wick.{name}.gguf"
        subprocess.run([peer, whole, theirs, name], check=True, capture_output=True)
        subprocess.run([*wick, "quantize", whole, ours, "--type", name], check=True, capture_output=True)
        theirs, ours = tensors(theirs), tensors(ours)
        for n, (kind, _) in enumerate(kinds()):
            tensor = f"blk.{n}.attn_q.weight"
            x = truth[tensor]
            pairs = list(zip(losses(x, ours[tensor]), losses(x, theirs[tensor])))
            plain, weighted = ((a / b if b else 1 + a) for a, b in pairs)
            worst = max(worst, plain)
            print(f"{type:5} {kind:15} {plain:7.4f} {weighted:7.4f}   {pairs[0][0]:.4e} of {np.square(x).mean():.4e}")
    print(f"worst {worst:.4f}")
    sys.exit(int(worst > 1.02))


if __name__ == "__main__":
    main()
