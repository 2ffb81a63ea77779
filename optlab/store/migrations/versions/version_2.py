"""Kinds of runs by the field's names, the version of each result, an index for lists of one kind.

OptLab 0.1 reads the number in `optlab_schema` and refuses every other than its own, which it now must.
"""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"

RENAMED = {"anatomy": "layer_inspection", "speeds": "latency_grid", "soften": "temperature_lab"}
BEFORE_VERSIONS = 0


def upgrade() -> None:
    op.add_column("runs", sa.Column("result_version", sa.Integer))
    runs = sa.table("runs", sa.column("kind"), sa.column("result"), sa.column("result_version"))
    for before, after in RENAMED.items():
        op.execute(runs.update().where(runs.c.kind == before).values(kind=after))
    op.execute(runs.update().where(runs.c.result.is_not(None)).values(result_version=BEFORE_VERSIONS))
    op.create_index("runs_by_kind", "runs", ["kind", "status", "id"])
    op.execute(sa.table("optlab_schema", sa.column("version")).update().values(version=2))
