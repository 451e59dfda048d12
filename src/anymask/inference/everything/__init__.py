"""Everything mode: all objects of a picture, by the published algorithm."""
