"""How many pods the queue wants, and how many there is room for. Numbers only, no actions."""
