"""The processes that do runs, and the one that starts them again when they die."""
