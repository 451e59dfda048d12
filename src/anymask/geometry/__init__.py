"""Masks, boxes, run-length codes and outlines as plain numpy arrays.

Masks are (height, width) arrays of booleans. Boxes are half-open XYXY in pixels. Points are (x, y)
on the pixel-edge grid: the pixel in column 3 of row 5 covers the square from (3, 5) to (4, 6).
"""
