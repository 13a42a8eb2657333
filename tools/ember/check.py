"""Measures a trained ember: does a story name its subject, does it end by itself, how long is it.

    python tools/ember/check.py DIR/hf [--count 60] [--seed 7]

Subjects come in three lots: HELD, written by hand and not in words.py; fresh ones of the generator (the seed is not a training
seed); words that nobody has. Each is told at temperature 0 and at 0.8.
"""

import argparse
import random
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import generator

HELD = """lighthouse keeper's daughter|zamboni|chess player|haunted pizzeria|submarine captain|sock puppet|little vampire|yellow taxi
skateboard|mango tree|werewolf|velociraptor|vending machine|spreadsheet|pyramid|igloo|trapeze artist|meerkat|hummingbird|tuba
xylophone|cactus|volleyball|escalator|sphinx|narwhal|cobbler|barista|saxophone|bakery cat|moon rabbit|lonely satellite
typewriter repairman|purple elephant|quiet drummer|paper dragon|dishwasher|kaleidoscope|ukulele|lumberjack""".replace("\n", "|").split("|")
MOST = 200


def subjects(count: int, seed: int) -> dict[str, list[tuple[str, str]]]:
    """lot -> (prompt, the words that must come back)."""
    rng = random.Random(seed)
    fresh = [generator.common(rng, being=False) for _ in range(count)]
    return {
        "held out": [(f"Tell me about the {noun}.", noun) for noun in HELD],
        "generator": [(f"Tell me a story about {about.asked}.", about.noun) for about in fresh],
        "invented": [(f"Tell me about the {noun}.", noun) for noun in (generator.invented(rng) for _ in range(count))],
    }


def tell(model, tokenizer, prompts: list[str], temperature: float) -> list[list[int]]:
    """The answers' ids, all prompts in one batch padded to the left; what follows an end token is cut off, the end token kept."""
    texts = [
        tokenizer.apply_chat_template([{"role": "user", "content": p}], add_generation_prompt=True, tokenize=False) for p in prompts
    ]
    tokenizer.padding_side = "left"
    batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False, return_token_type_ids=False)
    how = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature else {"do_sample": False}
    rows = model.generate(**batch, max_new_tokens=MOST, **how)[:, batch["input_ids"].shape[1] :].tolist()
    ends = model.generation_config.eos_token_id
    cuts = [next((at + 1 for at, id in enumerate(row) if id in ends), len(row)) for row in rows]
    return [row[:cut] for row, cut in zip(rows, cuts)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=60, help="subjects a lot (default 60)")
    parser.add_argument("--seed", type=int, default=7, help="seed of subjects and sampling (default 7)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.folder)
    model = AutoModelForCausalLM.from_pretrained(options.folder, dtype=torch.float32).eval()
    ends = model.generation_config.eos_token_id
    for lot, pairs in subjects(options.count, options.seed).items():
        for temperature in (0.0, 0.8):
            rows = tell(model, tokenizer, [prompt for prompt, _ in pairs], temperature)
            texts = [tokenizer.decode(row, skip_special_tokens=True) for row in rows]
            lost = [(noun, text) for (_, noun), text in zip(pairs, texts) if noun.lower() not in text.lower()]
            ended = sum(row[-1] in ends for row in rows)
            lengths = sorted(len(row) for row in rows)
            print(
                f"{lot}, temperature {temperature}: {len(rows) - len(lost)}/{len(rows)} name the subject, {ended} end, "
                f"{lengths[0]}-{lengths[-1]} tokens, median {lengths[len(lengths) // 2]}"
            )
            for noun, text in lost[:3]:
                print(f"  lost {noun!r}: {text[:160]}")


if __name__ == "__main__":
    main()
