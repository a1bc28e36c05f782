"""How quick a model is on this machine, on given texts, beside what the machine can do at most."""
