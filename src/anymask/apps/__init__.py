"""Things to do with masks, a few functions each."""
