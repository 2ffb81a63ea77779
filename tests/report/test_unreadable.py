"""A row that cannot be read is told as that, and everything else of a report and an archive is as without it."""

from __future__ import annotations

import pytest

from optlab.client.client import Client
from optlab.errors import OptLabError
from optlab.jobs.measured import readable, unreadable
from optlab.report import archive
from optlab.report.comparison import Comparison, chosen
from optlab.report.document import html
from tests.pages import samples


@pytest.mark.parametrize("damage", samples.DAMAGE)
def test_a_report_goes_without_it_and_says_so(client: Client, damage: dict[str, str]) -> None:
    good, bad = samples.measured(client, 4), samples.damaged(samples.measured(client, 8), **damage)
    report = Comparison.of([bad, good])
    assert [one.id for one in report.measured] == [good.id]
    assert f"run {bad.id} cannot be read" in html(report)
    assert "cannot be read" not in html(Comparison.of([good]))
    assert [one.id for one in chosen(readable([bad, good]))] == [good.id]
    with pytest.raises(OptLabError, match=f"run {bad.id} cannot be read"):
        Comparison.of([bad])


@pytest.mark.parametrize("damage", samples.DAMAGE)
def test_an_archive_goes_without_it(client: Client, damage: dict[str, str]) -> None:
    good, bad = samples.measured(client, 4), samples.damaged(samples.measured(client, 8), **damage)
    assert not archive.portable(bad)
    (kept,), recipes = archive.read(archive.write([bad, good]))
    assert (kept.key, len(recipes)) == (good.key, 1)


def test_what_can_be_read_is_not_called_unreadable(client: Client) -> None:
    samples.measured(client, 4)
    runs = [*client.runs(), samples.running(client), samples.failed(client)]
    assert [unreadable(run) for run in runs] == [None] * len(runs)
    assert len(readable(runs)) == 1
