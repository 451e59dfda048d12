"""How pixels are normalised; apart, so that an engine without PyTorch reads it here."""

PIXEL_MEAN = (123.675, 116.28, 103.53)
"""Of red, green and blue in 0..255."""
PIXEL_STD = (58.395, 57.12, 57.375)
