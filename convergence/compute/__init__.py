"""Where and how fast: devices, types, and the few faster twins that a benchmark pays for."""
