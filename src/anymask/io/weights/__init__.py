"""Weight files: which exist (`zoo`), where they lie (`cache`), how they come (`fetch`)."""
