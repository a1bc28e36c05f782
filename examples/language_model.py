"""A small GPT from books: vocabulary, blocks, training, perplexity, and a few sentences of its own.

    python examples/language_model.py FOLDER/lm-text --out small-gpt

Reads every file of the folder that matches ``--files`` (English novels by default). The last twentieth of each is held
out. About 20 minutes on two cores; goes on from its last checkpoint when started again.
"""

import argparse
import gzip
from pathlib import Path

import torch

from enfold import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed
from enfold.evaluation import perplexity
from enfold.text import train_tokenizer
from enfold.training import chunk_into_blocks


def read_books(folder, files):
    """(learned, held out) parts of each file, cut between paragraphs."""
    learned, held_out = [], []
    for path in sorted(Path(folder).glob(files)):
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
            paragraphs = [" ".join(one.split()) for one in file.read().split("\n\n")]
        split = len(paragraphs) * 19 // 20
        learned.append("\n".join(paragraphs[:split]))
        held_out.append("\n".join(paragraphs[split:]))
    if not learned:
        raise SystemExit(f"no file in {folder} matches {files}")
    return learned, held_out


def new_model(tokenizer, width=256, layers=4, context=256, **changes):
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_embd=width,
            n_layer=layers,
            n_head=max(1, width // 64),
            n_positions=context,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            **changes,
        )
    )


def main(folder, files="*-en.txt.gz", out="small-gpt", epochs=3, width=256, layers=4, context=256, vocabulary=4096,
         batch=16, rate=1e-3, limit=None, steps=-1, prompt="It was a", seed=42):  # fmt: skip
    set_seed(seed)
    learned, held_out = ([text[:limit] for text in part if text[:limit]] for part in read_books(folder, files))
    tokenizer = train_tokenizer(learned, "bpe", vocabulary, model_max_length=context)

    def blocks(texts):
        encoded = [list(one.ids) for one in tokenizer.encode_batch(texts)]
        return chunk_into_blocks(encoded, context, end=tokenizer.eos_token_id)

    rows, held_rows = blocks(learned), blocks(held_out)
    model = new_model(tokenizer, width, layers, context)
    arguments = TrainingArguments(
        out,
        num_train_epochs=epochs,
        max_steps=steps,
        per_device_train_batch_size=batch,
        learning_rate=rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.05,
        weight_decay=0.1,
        adam_beta2=0.95,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        logging_steps=25,
        seed=seed,
    )
    trainer = Trainer(model, arguments, train_dataset=rows, eval_dataset=held_rows, processing_class=tokenizer)
    trainer.train(resume_from_checkpoint=True)
    trainer.save_model(out)
    trainer.save_state()  # the loss curve: log_history of trainer_state.json

    found = perplexity(model, [row["input_ids"] for row in held_rows])
    print(f"{model.num_parameters():,} parameters, {trainer.state.global_step} steps on {len(rows):,} blocks")
    print(
        f"held out: loss {found.loss:.3f}, perplexity {found.value:.1f}, {found.bits_per_byte(held_out):.3f} bits/byte"
    )
    ids = torch.tensor([list(tokenizer.encode_batch([prompt])[0].ids)])
    written = model.eval().generate(ids, max_new_tokens=40, do_sample=True, top_p=0.9, seeds=seed)
    print(tokenizer.decode(written[0].tolist(), skip_special_tokens=True))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--files", default="*-en.txt.gz", help="which files of it (%(default)s)")
    parser.add_argument("--out", default="small-gpt")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=16, help="blocks (%(default)s)")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--limit", type=int, help="so many characters of each file only")
    parser.add_argument("--steps", type=int, default=-1, help="stop after so many")
    parser.add_argument("--prompt", default="It was a")
    parser.add_argument("--seed", type=int, default=42)
    main(**vars(parser.parse_args()))
