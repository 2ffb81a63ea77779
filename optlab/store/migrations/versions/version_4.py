"""Who asked for a run; nobody is named where the owner of the account did."""

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"


def upgrade() -> None:
    op.add_column("runs", sa.Column("asked_by", sa.String(256)))
    op.execute(sa.table("optlab_schema", sa.column("version")).update().values(version=4))
