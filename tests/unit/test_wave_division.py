"""Which clusters are in each wave."""

from flotilla.karmada.waves.division import divide
from flotilla.karmada.waves.strategy import Approval, Strategy, WaveRule

FOUR = {"a": {"tier": "canary"}, "b": {}, "c": {}, "d": {"tier": "last"}}


def waves(*rules, clusters=None):
    return [
        (one.number, one.clusters) for one in divide(Strategy(tuple(rules)), FOUR if clusters is None else clusters)
    ]


def test_clusters_in_no_wave_come_last():
    found = divide(Strategy((WaveRule(clusters=("b",)),)), FOUR)
    assert [(one.number, one.clusters, one.rest) for one in found] == [
        (1, ("b",), False),
        (2, ("a", "c", "d"), True),
    ]


def test_percentage_is_of_all_clusters_that_have_the_change():
    assert waves(WaveRule(percent=25), WaveRule(percent=50), WaveRule(percent=100)) == [
        (1, ("a",)),
        (2, ("b",)),
        (3, ("c", "d")),
    ]
    assert waves(WaveRule(clusters=("d",)), WaveRule(percent=50)) == [(1, ("d",)), (2, ("a",)), (3, ("b", "c"))]
    assert waves(WaveRule(percent=1)) == [(1, ("a",)), (2, ("b", "c", "d"))], "a part of a cluster is one"


def test_percentage_takes_no_cluster_that_a_later_wave_names():
    """Otherwise a cluster that the user wants last would get a change first, because of its name."""
    assert waves(WaveRule(percent=50), WaveRule(clusters=("a",))) == [(1, ("b", "c")), (2, ("a",)), (3, ("d",))]
    assert waves(WaveRule(percent=75), WaveRule(labels={"tier": "last"})) == [(1, ("a", "b", "c")), (2, ("d",))]
    assert waves(WaveRule(percent=100), WaveRule(labels={"tier": "last"})) == [(1, ("a", "b", "c")), (2, ("d",))]


def test_wave_without_a_cluster_is_left_out_and_the_others_keep_their_numbers():
    assert waves(WaveRule(clusters=("gone",)), WaveRule(labels={"tier": "canary"})) == [
        (2, ("a",)),
        (3, ("b", "c", "d")),
    ]
    assert waves(WaveRule(clusters=("a",)), clusters={}) == []


def test_clusters_of_a_wave_are_grouped_by_the_maximum():
    (first,) = divide(Strategy((WaveRule(percent=100, max_concurrent=3, approve=(Approval.AFTER,)),)), FOUR)
    assert first.batches == (("a", "b", "c"), ("d",))
    (share,) = divide(Strategy((WaveRule(percent=100, max_concurrent="50%"),)), FOUR)
    assert share.batches == (("a", "b"), ("c", "d"))
    (least,) = divide(Strategy((WaveRule(percent=100, max_concurrent="1%"),)), FOUR)
    assert least.batches == (("a",), ("b",), ("c",), ("d",))
