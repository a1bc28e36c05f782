"""Smaller and faster forms of a trained model, kept only where they pay."""

from enfold.compression.cost import Speed, measure_speed, size_on_disk
from enfold.compression.decide import decide
from enfold.compression.quantise import quantise

__all__ = ["Speed", "decide", "measure_speed", "quantise", "size_on_disk"]
