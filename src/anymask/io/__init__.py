"""Bytes in, arrays out, and files written whole or not at all.

`images` reads pictures and masks, `arrays` converts pictures already in memory, `files` writes.
"""
