"""The whole loop on real messages: `make demo`.

Trains a spam filter on the SMS Spam Collection (Almeida et al., 2011) starting from MiniLM, serves it, lets users
correct it on a kind of fraud that did not exist when those messages were collected, and retrains. What a second run
finds unchanged it does not do again.
"""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

FOLDER = Path("demo")
DATA = "sms-spam"

OPENINGS = [
    "Hi mum its me, my phone broke so this is my new number.",
    "Hey dad, dropped my mobile in the sink, save this number.",
    "Hello mum, lost my handset on the bus, texting from a friend's.",
    "Dad it's your eldest, temporary number, old sim is dead.",
]
TROUBLES = [
    "I have a bill due today and can't get into my bank.",
    "My landlord wants the rent by noon and my card is frozen.",
    "Need to pay the garage now or they keep the car.",
    "Stuck at the station and the app won't let me buy a ticket.",
    "The school wants the deposit this afternoon.",
]
ASKS = [
    "Can you transfer it and I pay you back tomorrow?",
    "Could you send the money for me, will explain tonight.",
    "Please pay it from yours, I'll send you the details.",
    "Can u do it quick and don't call, mic is broken.",
]
FRIENDLY = [
    "Running ten minutes late, order without me",
    "Did you feed the cat before you left?",
    "The meeting moved to three, same room",
    "Thanks for dinner last night, the soup was great",
    "Can you bring the blue folder tomorrow morning",
    "Happy birthday! See you on Saturday",
    "I left the keys under the mat for Tom",
    "Train is packed again, reading on the floor",
    "Let me know when you land safely",
    "We are out of milk and bread",
    "Good luck with the exam, you will be fine",
    "The plumber comes between nine and eleven",
    "Shall we walk instead, it is sunny now",
    "Your jacket is still at our place",
    "Nana says the garden is full of plums",
    "Movie starts at eight, meet at the corner",
    "I finished the book you gave me, loved it",
    "Call the dentist back when you have a minute",
    "Kids are asleep, come in quietly",
    "The printer on the second floor works again",
]


def say(command: str) -> None:
    print(f"\n\033[1m$ {command}\033[0m" if sys.stdout.isatty() else f"\n$ {command}", flush=True)


def enfold(*arguments: str) -> None:
    say("enfold " + " ".join(f'"{word}"' if " " in word else word for word in arguments))
    done = subprocess.run(["enfold", *arguments], cwd=FOLDER, check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)


def post(address: str, path: str, body: dict) -> dict:
    request = urllib.request.Request(
        f"{address}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


class Server:
    """`enfold serve` on a free port, stopped at the end."""

    def __enter__(self) -> str:
        say("enfold serve --port 0 &")
        self.process = subprocess.Popen(
            ["enfold", "serve", "--port", "0"], cwd=FOLDER, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for line in self.process.stdout:
            print(line, end="", flush=True)
            found = re.search(r"http://[\w.:]+", line)
            if found:
                return found.group()
        sys.exit("enfold serve ended before it listened")

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


def edit_settings() -> None:
    """What a user would do in an editor: give the labels names, and train for one epoch only."""
    settings = FOLDER / "enfold.toml"
    text = settings.read_text(encoding="utf-8")
    for key, value in {
        "labels": '["ham", "spam"]',
        "rename": '{ "0" = "ham", "1" = "spam" }',
        "epochs": "1",
    }.items():
        say(f"edit enfold.toml: {key} = {value}")
        text = re.sub(rf"(?m)^{key} = .*?(?=  #)", f"{key} = {value}", text)
    settings.write_text(text, encoding="utf-8")


def correct_the_model(address: str) -> None:
    """Four users label the new fraud; four others confirm what is in order."""
    frauds = [" ".join(parts) for parts in itertools.product(OPENINGS, TROUBLES, ASKS)]
    answers = post(address, "/predict", {"texts": frauds, "user": "inbox"})["predictions"]
    wrong = sum(answer["label"] != "spam" for answer in answers)
    print(f'{len(frauds)} messages such as "{frauds[0]}": the model takes {wrong} of them for ham')
    say("POST /feedback: the right label for each, from four users; and that ordinary ones were right")
    feedback = [
        {"prediction_id": answer["id"], "label": "spam", "user": f"user-{number % 4}"}
        for number, answer in enumerate(answers)
    ]
    ordinary = post(address, "/predict", {"texts": FRIENDLY, "user": "inbox"})["predictions"]
    feedback += [
        {"prediction_id": answer["id"], "label": "ham", "user": f"user-{4 + number % 4}"}
        for number, answer in enumerate(ordinary)
    ]
    print(post(address, "/feedback", {"feedback": feedback}))


def main() -> None:
    started = time.perf_counter()
    os.environ.setdefault("TERM", "dumb")
    FOLDER.mkdir(exist_ok=True)
    if not (FOLDER / "enfold.toml").exists():
        enfold("init", DATA)
        edit_settings()
    enfold("run")
    enfold("predict", "You have won a prize! Call 0900 now to claim it", "See you at six")
    with Server() as address:
        say('POST /predict {"text": "Free entry! Text WIN to 80082 now"}')
        print(post(address, "/predict", {"text": "Free entry! Text WIN to 80082 now"})["predictions"][0])
        correct_the_model(address)
    enfold("feedback", "list", "--limit", "5")
    enfold("improve")
    enfold("predict", " ".join((OPENINGS[1], TROUBLES[3], ASKS[0])))
    print(f"\nThe report: {FOLDER / 'report.html'}   All of it took {time.perf_counter() - started:.0f} seconds.")


if __name__ == "__main__":
    main()
