"""What to choose, and why: answers made only of figures that were measured on this machine, or predicted with a band.

Nothing here computes a new figure; where one is missing the answer is that it is missing, and which measurement would
give it.
"""
