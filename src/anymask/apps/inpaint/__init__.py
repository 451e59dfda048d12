"""Parts of a picture painted anew: objects, watermarks, scratches."""
