"""Looking into what strangers uploaded, without trusting it: a confined child reads, its parent only believes text."""
