"""Texts for the self-test where none are given: short and long, several languages, odd characters, nothing at all."""

from __future__ import annotations

__all__ = ["QUESTIONS", "TEXTS"]

_SENTENCES = (
    "The train to the coast leaves at half past seven, and the last one back is full of sunburnt families.",
    "I have never been so disappointed by a film; the story falls apart after the first ten minutes.",
    "What a wonderful little restaurant! The soup alone was worth the walk through the rain.",
    "Maria Lopez moved from Valencia to Oslo in 2014 to work for a company that builds wind turbines.",
    "URGENT: you have won a holiday for two, call 0900 555 123 before midnight to claim it.",
    "Can you send me the minutes of Tuesday's meeting, please? I missed the second half.",
    "The committee found that the bridge had been inspected twice, but never in winter.",
    "My parcel arrived three weeks late and the box was open, yet the seller refuses to answer.",
    "Water boils at a lower temperature in the mountains, so beans take longer to cook there.",
    "Nobody expected the smallest club of the league to beat Liverpool, least of all its own supporters.",
    "Take one tablet in the morning with plenty of water, and none in the evening.",
    "The new keyboard is quiet and the battery lasts for weeks, although the keys feel a little loose.",
    "She closed the window, counted to ten, and opened the letter she had been carrying for days.",
    "Shares of the airline fell by six per cent after it warned of higher fuel costs.",
    "Der Zug nach Hamburg hat heute leider eine halbe Stunde Verspätung.",
    "Le musée est fermé le lundi, mais le jardin reste ouvert toute la journée.",
    "Ayer llovió tanto que el río se llevó el puente viejo del pueblo.",
    "我们明天早上八点在火车站见面，然后一起去爬山。",
    "Завтра в городе ожидается сильный снег и ветер.",
    "会議は三時から始まりますので、遅れないでください。",
    "ok",
    "no!!! not again :(",
    "https://example.org/orders?id=4711 does not load, error 502, please help",
    "naïve café, 20 °C, 3 × 4 = 12, “quoted”, and an emoji 🙂",
)
TEXTS = (*_SENTENCES, "", " ".join(_SENTENCES[:14]), " ".join(_SENTENCES * 4))
"""The last is longer than most models read at once."""

_FACTS = " ".join(_SENTENCES[:14])
QUESTIONS = (
    ("When does the train to the coast leave?", _FACTS),
    ("Where did Maria Lopez move to?", _FACTS),
    ("When did she move?", _SENTENCES[3]),
    ("Who found that the bridge had been inspected?", _SENTENCES[6]),
    ("How late was the parcel?", _SENTENCES[7]),
    ("Why do beans take longer to cook in the mountains?", _SENTENCES[8]),
    ("By how much did the shares fall?", _FACTS),
    ("Which club was beaten?", _SENTENCES[9]),
    ("What is worth the walk?", " ".join(_SENTENCES[:14] * 4)),
    ("什么时候见面？", _SENTENCES[17]),
)
"""(question, context) pairs."""
