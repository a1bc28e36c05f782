"""What every model is made of: packed tokens, attention, blocks, and the formats weights come in."""
