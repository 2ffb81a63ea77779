"""Knowledge distillation: a student learns from the teacher's whole distribution instead of from one right token.

`losses` holds the mathematics, `student` makes the student, `distillation` trains it; each loss is one small method
file with one registry line.
"""
