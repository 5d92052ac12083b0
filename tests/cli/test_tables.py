"""``steelyard tables``: the published table beside ours, in every form."""

import json

from steelyard import tables


def test_json_is_the_object_of_to_dict(run_cli) -> None:
    done = run_cli("tables", "popular-networks", "--json")
    assert done.code == 0
    expected = json.loads(json.dumps(tables.popular_networks().to_dict()))
    assert json.loads(done.out) == expected


def test_the_table_shows_published_figures(run_cli) -> None:
    out = run_cli("tables", "popular-networks").out
    # Sze et al. 2020, table 2.2: ResNet-50 has 25.5M weights and 3.9G MACs
    assert "25.5" in out
    assert "3.9" in out


def test_an_unknown_table_is_a_usage_error(run_cli) -> None:
    done = run_cli("tables", "popular")
    assert done.code == 2
    assert "No such command 'popular'" in done.err
