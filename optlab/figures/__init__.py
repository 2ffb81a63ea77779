"""Every chart of OptLab: a DataFrame in, a plotly Figure out. No other module draws, and nothing here measures.

`frames` turns descriptions and results into tidy tables, `pairs` puts the original beside the candidate, `format`
writes numbers for people, `style` holds the colours and their meaning; every other file is one family of charts.
Torch-free.
"""
