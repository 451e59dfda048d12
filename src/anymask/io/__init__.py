"""Bytes in, arrays out, and files written whole or not at all.

`images` reads pictures, prior masks and folders of pictures (`decode` opens the files, `deep` keeps
16-bit colours); `arrays` converts what is already in memory; `files` writes; `weights` finds and
fetches the models' files.
"""
