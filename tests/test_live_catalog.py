"""The catalog that a session reads again: which fees stay, and what is no catalog to go on by."""

from types import SimpleNamespace

import msgspec

from gammacore.contracts import Grids
from gammacore.data.listings import published
from gammacore.live.asked import Asked
from gammacore.live.catalog import AGAIN_NS, CatalogLook, charged_as
from support.live_world import lively


def test_fees_stay_those_of_the_start():
    before = Grids(msgspec.structs.replace(row, maker=1e-4, since_ns=5) for row in published().rows)
    coarse = Grids(msgspec.structs.replace(row, tick_size=7.0) for row in published().rows)
    found = charged_as(before, coarse)
    assert {(row.tick_size, row.maker, row.since_ns) for row in found.rows} == {(7.0, 1e-4, 5)}
    single = msgspec.structs.replace(before.rows[0], name="one")
    assert charged_as(before, Grids([single])).rows == (single,)


def test_what_lists_nothing_changes_nothing_and_is_asked_for_at_most_once_a_minute(caplog):
    grids, sent = published(), []

    class Session:
        def request(self, method, params, **options):
            sent.append(params["kind"])
            return len(sent)

    parts = SimpleNamespace(desk=SimpleNamespace(hedge=SimpleNamespace(grids=grids)), journal=None)
    asked = Asked(Session())
    look = CatalogLook(parts, asked, lambda: 0, lively())
    look.tick(AGAIN_NS)
    assert sent == []
    for at_ns in (AGAIN_NS, AGAIN_NS + 1, 2 * AGAIN_NS):
        look.off_grid()
        look.tick(at_ns)
        for number in (1, 2, 3, 4):
            asked.answered(SimpleNamespace(id=number, result=[]))
    assert sent == ["option", "future"] * 2
    assert parts.desk.hedge.grids is grids
    assert "catalog not taken" in caplog.text
