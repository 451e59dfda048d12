"""Networks for words: a classifier of pictures and an encoder of sentences."""
