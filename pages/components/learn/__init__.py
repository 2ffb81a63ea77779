"""The lessons of the page *Learn*: one file each, with its text, its widgets, its charts and its questions."""
