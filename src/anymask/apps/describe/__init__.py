"""What a picture shows, in words that masks, labels, colours and places bear out.

Reading order: `facts`, `relations`, `scene`, `questions`.
"""
