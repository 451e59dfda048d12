"""From prompts to masks: load a model, encode an image once, segment it any number of times."""
