"""Ember's tokenizer: byte-level BPE, split as Qwen2 splits, so that a GGUF file can name how (`tokenizer.ggml.pre`).

Vocabulary and chat template have what tools need, although ember has not learned them: markers of its own for the tools on
offer, a call and what it answered, and the role `tool`. They are control tokens, so no user can write them.
"""

import random
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

import generator

SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
END, START, TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
TOOLS = ("<tools>", "</tools>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
CONTROL = (*TOOLS, END, START, TURN)
CHATML = """\
{%- if tools %}<|im_start|>system
{% if messages[0].role == 'system' %}{{ messages[0].content }}
{% endif %}<tools>
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}</tools><|im_end|>
{% endif %}
{%- for message in messages %}
{%- if not (tools and loop.first and message.role == 'system') %}<|im_start|>{{ message.role }}
{% if message.role == 'tool' %}<tool_response>
{{ message.content }}
</tool_response>{% else %}{{ message.content or '' }}{% endif %}
{%- for call in message.tool_calls or [] %}<tool_call>
{{ {'name': call.function.name, 'arguments': call.function.arguments} | tojson }}
</tool_call>{% endfor %}<|im_end|>
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
CHATS = 12_000


def train(size: int, seed: int) -> Tokenizer:
    """A vocabulary of `size` tokens, the control tokens last."""
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
    trainer = trainers.BpeTrainer(vocab_size=size - len(CONTROL), initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(text, trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in CONTROL])
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
