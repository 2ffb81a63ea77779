"""What leaves the dashboard: a report of a comparison, tables as files, and a project as one archive.

Everything here is made from finished runs of the store, without torch and without a network.
"""
