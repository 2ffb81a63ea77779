"""How a store that an older OptLab wrote becomes one of today: Alembic, one file in `versions/` for each change.

`optlab.store.schema` says what the tables look like now and makes new stores from that; these files say how older ones
get there, and a test holds that both ways end at the same tables. To change the tables: change `schema`, add the next
number to `REVISIONS` there, and write `versions/version_N.py` beside the others. Columns of JSON are not rewritten
here: what a run asked for and answered knows its own version (`optlab.results`).
"""
