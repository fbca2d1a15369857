"""One file for each group of commands. Heavy imports stand inside the functions."""
