"""The Studio's server: pictures in, embeddings and masks out; the page decodes by itself."""
