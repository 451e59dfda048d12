"""Files that describe prompts and results: one module a format, values in, JSON out, and back."""
