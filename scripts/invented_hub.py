"""A hub with invented content: people, repositories, and what they say to each other. For pictures and tries."""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.utils import disable_progress_bars

from enfold.hub.records import Records, accounts, passwords, tokens
from enfold.hub.records.invitations import make_link
from enfold.hub.records.schema import Quota, WebhookDelivery
from enfold.hub.records.webhooks import create_webhook
from enfold.hub.server.serving import background_hub
from enfold.hub.server.settings import HubSettings

__all__ = ["DATA", "MODEL", "PASSWORD", "Filled", "empty_hub", "filled_hub"]

PASSWORD = "a harbour with forty boats"
MODEL, DATA = "harbour-lab/tone-of-voice", "harbour-lab/ferry-questions"

CARD = """---
license: apache-2.0
language: [en, de]
pipeline_tag: text-classification
library_name: transformers
tags: [tone, support]
datasets: [harbour-lab/ferry-questions]
---
# Tone of voice

Tells whether a message to the harbour office is **calm**, **worried** or **angry**, so that the angry ones are
answered first. Trained on [ferry-questions](/datasets/harbour-lab/ferry-questions).

## How good it is

| split | messages | macro F1 | 95 % interval |
|---|--:|--:|---|
| test | 1,204 | 0.914 | 0.897 to 0.929 |
| winter only | 310 | 0.882 | 0.841 to 0.915 |

## How to use it

```python
from transformers import pipeline

tone = pipeline("text-classification", model="harbour-lab/tone-of-voice")
tone("Where is the eight o'clock ferry? It is half past nine!")
```

> Messages in other languages than English and German were not tested.
"""
DATA_CARD = """---
license: cc-by-4.0
language: [en]
task_categories: [text-classification]
---
# Ferry questions

What passengers asked in one summer, with the tone that two readers agreed on. Names and numbers were replaced.
"""
TRAINING = '''"""Trains the model of this repository."""

from enfold import Project

project = Project.open(".")
project.run(seed=7, epochs=3)
'''
CONFIG = json.dumps({"model_type": "bert", "architectures": ["BertForSequenceClassification"]}, indent=2)
LONGER = TRAINING.replace("epochs=3", "epochs=5, patience=2").replace(
    "this repository.", "this repository.\n\nFive epochs: with three the winter messages were not learnt."
)
NORWEGIAN = """We get a few **Norwegian** messages a day.

- Are they ever right?
- Would 200 labelled ones help?
"""


def safetensors(shapes: dict[str, tuple[int, ...]]) -> bytes:
    """A file of small random weights."""
    random, header, data = np.random.default_rng(7), {}, b""
    for name, shape in shapes.items():
        raw = random.standard_normal(shape).astype(np.float16).tobytes()
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return struct.pack("<Q", len(text)) + text + data


def question_rows() -> bytes:
    """The rows of the data set."""
    asked = ["When does the first ferry leave?", "My bicycle is still on board!", "Is there a lift?"]
    asked += ["Why has nobody answered me since Monday?", "Can I bring two dogs?", "The app shows last year's times."]
    tones = ["calm", "worried", "calm", "angry", "calm", "worried"]
    rows = [f'{n},"{asked[n % 6]}",{tones[n % 6]},{2 + n % 9}' for n in range(400)]
    return ("id,text,tone,minutes\n" + "\n".join(rows) + "\n").encode()


def add(api: HfApi, repo: str, title: str, files: dict[str, bytes | str], **more: Any) -> Any:
    """One commit with these files."""
    operations = [
        CommitOperationAdd(path, each.encode() if isinstance(each, str) else each) for path, each in files.items()
    ]
    return api.create_commit(repo, operations, commit_message=title, **more)


class Filled:
    """A hub with people, repositories and what they say to each other.

    Args:
        url: the hub's address.
        records: its records.
    """

    def __init__(self, url: str, records: Records) -> None:
        self.url, self.records = url, records
        self.apis: dict[str, HfApi] = {}
        self._people()
        self._repositories()
        self._gates_and_likes()
        self._talk()

    def _people(self) -> None:
        named = (("mira", "Mira Solberg", True), ("jonas", "Jonas Falk", False), ("wei", "\u674e\u4f1f", False))
        with self.records.write() as session:
            people = {}
            for name, full, admin in named:
                email = f"{name}@harbour.example"
                user = accounts.create_user(session, name, full_name=full, email=email, is_admin=admin)
                passwords.set_password(user, PASSWORD)
                self.apis[name] = HfApi(endpoint=self.url, token=tokens.create_token(session, user, "laptop"))
                people[name] = user
            members = [(people["mira"], "admin"), (people["jonas"], "write")]
            lab = accounts.create_organization(session, "harbour-lab", full_name="Harbour Lab", members=members)  # type: ignore[arg-type]
            tokens.create_token(session, people["mira"], "training machine", role="read")
            invited = {"note": "Ana, from the night shift", "admin": False, "by": "mira"}
            self.join_key = make_link(session, "invitation", details=invited)
            self.password_key = make_link(session, "password", user=people["wei"])
            session.add(Quota(account_id=people["jonas"].id, bytes=50 * 10**9, file_bytes=5 * 10**9))
            session.add(Quota(account_id=lab.id, bytes=2 * 10**12))
            hook = create_webhook(
                session,
                people["mira"].id,
                "https://builds.harbour.example/told",
                watched=[{"type": "org", "name": "harbour-lab"}],
                domains=["repo"],
                secret="of no use",
            )
            hook.disabled = True  # nothing is sent anywhere
            for status, answer, tries in (("delivered", 204, 1), ("failed", 503, 7), ("delivered", 200, 2)):
                session.add(WebhookDelivery(webhook_id=hook.id, body={}, status=status, answer=answer, attempts=tries))
            self.hook = hook.uid

    def _repositories(self) -> None:
        mira, jonas = self.apis["mira"], self.apis["jonas"]
        parts = {"attention.weight": (64, 192), "attention.bias": (192,), "output.weight": (64, 64)}
        layers = {f"encoder.{number}.{part}": shape for number in range(4) for part, shape in parts.items()}
        weights = safetensors({"embeddings.weight": (2000, 64), **layers})
        mira.create_repo(MODEL)
        first: dict[str, bytes | str] = {"README.md": CARD, "config.json": CONFIG, "src/train.py": TRAINING}
        add(mira, MODEL, "First model", {**first, "model.safetensors": weights})
        # Names what it would call, and is never loaded: it is there for the scan to find.
        add(mira, MODEL, "The first attempt, as a pickle", {"old/attempt.pkl": b"cos\nsystem\n(S'true'\ntR."})
        self.changed = add(jonas, MODEL, "Train for five epochs, and say why", {"src/train.py": LONGER}).oid
        mira.create_tag(MODEL, tag="v1.0", tag_message="What runs in the office")
        mira.create_branch(MODEL, branch="winter")
        mira.create_repo(DATA, repo_type="dataset")
        rows: dict[str, bytes | str] = {"README.md": DATA_CARD, "train.csv": question_rows()}
        add(mira, DATA, "Four hundred questions", rows, repo_type="dataset")
        mira.create_repo("mira/sea-names", repo_type="dataset")
        add(mira, "mira/sea-names", "Names", {"README.md": "---\nlicense: mit\n---\n# Names\n"}, repo_type="dataset")
        jonas.create_repo("jonas/small-talk")
        jonas.create_repo("jonas/drafts", private=True)
        mira.create_repo("harbour-lab/tone-at-the-desk", repo_type="space", space_sdk="static")
        made = mira.create_collection(
            "What the office runs", namespace="harbour-lab", description="Kept up to date by Mira."
        )
        mira.add_collection_item(made.slug, MODEL, "model", note="Sorts the morning's mail.")
        mira.add_collection_item(made.slug, DATA, "dataset", note="What it was trained on.")
        mira.add_collection_item(made.slug, "jonas/small-talk", "model")
        self.collection = made.slug

    def _gates_and_likes(self) -> None:
        mira = self.apis["mira"]
        mira.create_repo("mira/quiet-hours")
        card = "---\nlicense: other\n---\n# Quiet hours\n\nTrained on letters: their writers agreed to research.\n"
        add(mira, "mira/quiet-hours", "Card", {"README.md": card, "notes.txt": "Not for everyone.\n"})
        mira.update_repo_settings("mira/quiet-hours", gated="manual")
        self._post("jonas", "/mira/quiet-hours/ask-access", {"message": "For the study of night calls."})
        for who in self.apis:
            self._post(who, f"/api/models/{MODEL}/like", {})

    def _talk(self) -> None:
        jonas, mira, wei = self.apis["jonas"], self.apis["mira"], self.apis["wei"]
        asked = wei.create_discussion(MODEL, "Does it know Norwegian?", description=NORWEGIAN)
        answer = "Not tested. 200 would help a lot: open a pull request on the data set."
        mira.comment_discussion(MODEL, asked.num, answer)
        card = CARD.replace("were not tested.", "were not tested; for Norwegian this is planned.")
        labels = "calm\nworried\nangry\n"
        files: dict[str, bytes | str] = {"README.md": card, "src/labels.txt": labels}
        self.pull = add(wei, MODEL, "Say what was not tested", files, create_pr=True).pr_num
        longest = {"src/train.py": LONGER.replace("epochs=5", "epochs=9")}
        self.clash = add(wei, MODEL, "Train for nine epochs", longest, create_pr=True).pr_num
        seeded = {"src/train.py": LONGER.replace("seed=7, epochs=5", "seed=26, epochs=6")}
        add(jonas, MODEL, "Seed of the year", seeded)
        merged = add(jonas, MODEL, "A licence file", {"LICENSE": "Apache-2.0\n"}, create_pr=True)
        mira.merge_pull_request(MODEL, merged.pr_num)
        closed = wei.create_discussion(MODEL, "Which tokenizer is this?")
        mira.change_discussion_status(MODEL, closed.num, "closed", comment="BERT's, see config.json.")

    def _post(self, who: str, path: str, body: dict[str, str]) -> None:
        token = {"Authorization": f"Bearer {self.apis[who].token}"}
        httpx2.post(self.url + path, json=body, headers=token).raise_for_status()


@contextmanager
def empty_hub() -> Iterator[tuple[str, str]]:
    """A hub that nobody has set up: its address, and the key of the link for its first admin."""
    with _started() as (url, records):
        with records.write() as session:
            key = make_link(session, "setup")
        yield url, key


@contextmanager
def filled_hub() -> Iterator[Filled]:
    """A hub with invented content, for as long as the block runs."""
    disable_progress_bars()
    with _started() as (url, records):
        yield Filled(url, records)


@contextmanager
def _started() -> Iterator[tuple[str, Records]]:
    with tempfile.TemporaryDirectory() as folder:
        settings = HubSettings(root=Path(folder) / "hub", port=0)
        with background_hub(settings) as url:
            records = Records(settings.root / "hub.sqlite")
            try:
                yield url, records
            finally:
                records.close()
