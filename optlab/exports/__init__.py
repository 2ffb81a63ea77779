"""A compressed model as a file that a person takes home: one file for each format, a card beside it, and its sha256."""
