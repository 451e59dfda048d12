"""Values that pass between the parts: prompts, masks, progress."""
