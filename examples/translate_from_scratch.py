"""A translator from nothing but sentence pairs: vocabulary, a small Marian, training, BLEU and its curve.

    python examples/translate_from_scratch.py FOLDER/multi30k --out en-de

FOLDER/multi30k holds train, val and test_2016_flickr, one sentence a line, a file a language, gzipped. About 70 minutes
on two cores. Kill it and start it again: it goes on from its last epoch, exactly.

One vocabulary for both languages (they share names and stems) and one table for what is read, written and scored. The
model is small and dropout high, because 29,000 pairs are few; batches hold a number of tokens, not of sentences.
"""

import argparse
import gzip
import json
import time
from pathlib import Path

from enfold import (
    MarianConfig,
    MarianMTModel,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
    set_seed,
)
from enfold.evaluation import bleu
from enfold.text import train_tokenizer


def read_lines(folder, part, language, limit=None):
    with gzip.open(Path(folder) / f"{part}.{language}.gz", "rt", encoding="utf-8") as file:
        return [line.strip() for line in file][:limit]


def new_model(tokenizer, width=256, layers=3, dropout=0.3):
    sides = {"layers": layers, "attention_heads": width // 64 or 1, "ffn_dim": 4 * width}
    return MarianMTModel(
        MarianConfig(
            vocab_size=len(tokenizer),
            d_model=width,
            **{f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in sides.items()},
            dropout=dropout,
            activation_function="relu",
            scale_embedding=True,
            max_position_embeddings=256,
            pad_token_id=tokenizer.pad_token_id,
            decoder_start_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            forced_eos_token_id=None,
        )
    )


class Curve(TrainerCallback):
    """BLEU after each epoch, by greedy decoding, kept as JSON lines; an epoch that is run again replaces its line."""

    def __init__(self, score, file):
        self.score, self.file, self.began = score, Path(file), time.perf_counter()

    def on_evaluate(self, args, state, control, metrics, **kwargs):
        old = [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.is_file() else []
        row = {"epoch": round(state.epoch, 3), "step": state.global_step, "loss": metrics["eval_loss"]}
        row |= {"bleu": self.score(1).score, "seconds": round(time.perf_counter() - self.began)}
        kept = [line for line in old if line["epoch"] < row["epoch"]] + [row]
        self.file.write_text("".join(json.dumps(line) + "\n" for line in kept))
        print(f"epoch {row['epoch']:g}: loss {row['loss']:.3f}, BLEU {row['bleu']:.2f}", flush=True)


def main(folder, out="en-de", source="en", target="de", epochs=25, width=256, layers=3, dropout=0.3, vocabulary=6000,
         tokens=4096, rate=1e-3, limit=None, test_limit=None, beams=5, seed=42):  # fmt: skip
    set_seed(seed)
    train, valid, test = (
        [read_lines(folder, part, language, size) for language in (source, target)]
        for part, size in (("train", limit), ("val", test_limit), ("test_2016_flickr", test_limit))
    )
    tokenizer = train_tokenizer([*train[0], *train[1]], "unigram", vocabulary, model_max_length=256)

    def rows(part):
        read, written = (tokenizer.encode_batch(texts, max_length=128) for texts in part)
        return [{"input_ids": list(r.ids), "labels": list(w.ids)} for r, w in zip(read, written, strict=True)]

    arguments = Seq2SeqTrainingArguments(
        out,
        num_train_epochs=epochs,
        max_tokens_per_batch=tokens,
        learning_rate=rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.08,
        adam_beta2=0.98,
        label_smoothing_factor=0.1,
        predict_with_generate=True,
        generation_config={"max_new_tokens": 80},
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        logging_steps=50,
        seed=seed,
    )
    model = new_model(tokenizer, width, layers, dropout)
    trainer = Seq2SeqTrainer(
        model, arguments, train_dataset=rows(train), eval_dataset=rows(valid), processing_class=tokenizer
    )
    test_rows = rows(test)

    def score(num_beams):
        written = trainer.predict(test_rows, num_beams=num_beams).predictions
        ids = [[int(one) for one in row if one >= 0] for row in written]
        return bleu(tokenizer.batch_decode(ids, skip_special_tokens=True), test[1])

    Path(out).mkdir(parents=True, exist_ok=True)
    trainer.add_callback(Curve(score, Path(out) / "curve.jsonl"))
    trainer.train(resume_from_checkpoint=True)
    trainer.save_model(out)
    final = score(beams)
    print(f"{model.num_parameters():,} parameters, {trainer.state.global_step} steps; {beams} beams: {final}")
    return final


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--out", default="en-de", help="where the model, its checkpoint and curve.jsonl go")
    parser.add_argument("--source", default="en")
    parser.add_argument("--target", default="de")
    parser.add_argument("--epochs", type=float, default=25)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=3, help="of each side (%(default)s)")
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--vocabulary", type=int, default=6000)
    parser.add_argument("--tokens", type=int, default=4096, help="of both sides in a batch (%(default)s)")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--limit", type=int, help="so many pairs only")
    parser.add_argument("--test-limit", type=int, help="so many to measure with")
    parser.add_argument("--beams", type=int, default=5)
    parser.add_argument("--seed", type=int, default=42)
    main(**vars(parser.parse_args()))
