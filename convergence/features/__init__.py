"""Stage 2: layer activations of vision and language networks, and the file format that carries them (store)."""
