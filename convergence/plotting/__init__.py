"""Stage 5: figures. Tables in, matplotlib figures out; nothing is computed here that `analysis` has."""
