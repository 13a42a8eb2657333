"""A vocabulary of all pairs of bytes, for comparing how texts are cut: with it nearly every cut shows in the ids.

    python tools/oracle/pairs.py OUT.gguf [BYTES]

A vocabulary of words hides where a text was cut, because its words were cut there too. Here any two neighbouring bytes merge, in a
seeded random order of rank, so a cut between two that would have merged gives other ids. BYTES: how many of the alphabet's bytes have
pairs, most common first; all without it.
"""

import random
import sys

import gguf
from gguf import TokenType

SEED = 5
COMMON = (
    b" \n'0123456789aeinorstlldmvAEST.,-(/\r\t" + bytes([0xC3, 0xA9, 0xE4, 0xBD, 0xE3, 0x81, 0x80, 0xCC, 0xE0, 0xA4, 0xD9, 0xF0, 0x9F, 0xC2, 0xA0])
)


def alphabet() -> list[str]:
    """Each byte's character in byte-level BPE (GPT-2)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    other = iter(range(0x100, 0x200))
    return [chr(b) if b in printable else chr(next(other)) for b in range(256)]


def main() -> None:
    out = sys.argv[1]
    characters = alphabet()
    paired = list(dict.fromkeys([*COMMON, *range(256)]))[: int(sys.argv[2]) if len(sys.argv) > 2 else 256]
    pairs = [(characters[a], characters[b]) for a in paired for b in paired]
    random.Random(SEED).shuffle(pairs)
    tokens = [*characters, *(a + b for a, b in pairs), "<|endoftext|>"]
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_name("pairs")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([*[TokenType.NORMAL] * (len(tokens) - 1), TokenType.CONTROL])
    writer.add_token_merges([f"{a} {b}" for a, b in pairs])
    writer.add_bos_token_id(len(tokens) - 1)
    writer.add_eos_token_id(len(tokens) - 1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
