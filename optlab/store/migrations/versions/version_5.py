"""What people write on a run: a name of its own, a note, and a star."""

import sqlalchemy as sa
from alembic import op

revision = "5"
down_revision = "4"


def upgrade() -> None:
    op.add_column("runs", sa.Column("name", sa.String(200)))
    op.add_column("runs", sa.Column("note", sa.Text))
    op.add_column("runs", sa.Column("starred", sa.Boolean))
    op.add_column("runs", sa.Column("labelled", sa.Double))
    op.create_index("runs_by_label", "runs", ["labelled"])
    op.execute(sa.table("optlab_schema", sa.column("version")).update().values(version=5))
