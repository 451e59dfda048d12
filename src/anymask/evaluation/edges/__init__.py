"""Edges drawn from masks, and how well they meet edges drawn by people."""
