"""A Label Studio ML back end: clicks and boxes of its smart tools become masks."""
