"""Training: so far, SAM's text token.

Reading order: `settings`, `losses`, `crops`, `clicks`, `text_token`.
"""
