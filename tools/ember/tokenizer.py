"""Ember's tokenizer: byte-level BPE, split as Qwen2 splits, so that a GGUF file can name how (`tokenizer.ggml.pre`)."""

import random
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

import generator

SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
END, START, TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHATS = 12_000


def train(size: int, seed: int) -> Tokenizer:
    """A vocabulary of `size` tokens, the three control tokens last."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    rng = random.Random(seed)
    text = (message["content"] for _ in range(CHATS) for message in generator.chat(rng))
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size - 3, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(text, trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in (END, START, TURN)])
    assert tokenizer.get_vocab_size() == size, "the text has too few words for this vocabulary"
    return tokenizer


def load_or_train(folder: Path, size: int, seed: int) -> PreTrainedTokenizerFast:
    """The tokenizer of a training that is being resumed, or a new one."""
    path = folder / "tokenizer.json"
    if path.exists():
        raw = Tokenizer.from_file(str(path))
    else:
        folder.mkdir(parents=True, exist_ok=True)
        raw = train(size, seed)
        raw.save(str(path))
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token=END, eos_token=TURN, pad_token=END, chat_template=CHATML, model_max_length=512
    )
