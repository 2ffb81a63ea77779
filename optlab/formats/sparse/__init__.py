"""Where the zeros of a weight are, in the fewest bytes: every form's size in closed form, and the forms themselves.

Below all rooms that store weights, because a zero is left out in the same way whatever the other numbers are: plain
ones, codes, or narrow floats.
"""
