"""One file a noun: what each address answers."""
