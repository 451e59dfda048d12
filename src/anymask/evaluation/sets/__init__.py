"""Data sets with true masks, in the forms they usually come in."""
