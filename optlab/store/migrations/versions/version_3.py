"""How much longer a run will take, as its worker tells it."""

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    op.add_column("runs", sa.Column("seconds_left", sa.Double))
    op.execute(sa.table("optlab_schema", sa.column("version")).update().values(version=3))
