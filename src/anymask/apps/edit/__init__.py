"""Editing pictures by masks: mattes, cut-outs, backgrounds, adjustments, moves, recipes.

Arrays in, arrays out. A picture is (H, W, 3) or (H, W, 4) uint8 or uint16, a matte (H, W) float32
from 0 (not the object) to 1; what a matte leaves at 0 stays as it is, bit for bit.
"""
