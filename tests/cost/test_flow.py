"""`data_flow` by hand: storages, what must wait for what around in-place layers, what may be overwritten."""

from __future__ import annotations

from workload_strategies import Net

from steelyard.cost.flow import data_flow


def overwritten() -> Net:
    """l0 reads x; l1 overwrites x; l2 reads what l1 left there; l3 is a view of it."""
    net = Net(dtype="int8")
    net.tensor("x", (1, 2, 3, 3), "input")
    net.conv("x", 4)
    net.relu("x", inplace=True)
    net.conv("l1", 4)
    net.flatten("l1")
    return net


def test_storages_and_who_uses_them():
    flow = data_flow(overwritten().finish(), inplace="as_written", keep_inputs=False)
    assert [(s.tensor.name, s.nbytes, s.producer) for s in flow.storages] == [
        ("x", 18, -1),
        ("l0", 36, 0),
        ("l2", 36, 2),
    ]
    assert flow.storages[0].users == 0b1111 and flow.made == ((1,), (), (2,), ())
    assert [s.kept for s in flow.storages] == [True, True, True]  # l3, a result, is a view of x


def test_an_overwriting_layer_waits_for_readers_and_later_ones_wait_for_it():
    flow = data_flow(overwritten().finish(), inplace="as_written", keep_inputs=False)
    assert flow.needs == (0, 0b0001, 0b0010, 0b0010)


def test_without_overwriting_only_the_data_flow_binds():
    flow = data_flow(overwritten().finish(), inplace="never", keep_inputs=False)
    assert flow.needs == (0, 0, 0b0010, 0b0010)
    assert [s.tensor.name for s in flow.storages] == ["x", "l0", "l1", "l2"]
    assert [s.kept for s in flow.storages] == [False, True, True, True]  # l3 is a view of l1


def test_what_may_be_overwritten():
    net = Net(dtype="int8")
    net.tensor("x", (1, 2, 3, 3), "input")
    net.relu("x")
    net.binary("add", "l0", "x")
    net.add("elementwise", "aten.mul", ["l1"], (1, 4, 3, 3))  # broadcast: grows
    net.conv("l2", 2)
    flow = data_flow(net.finish(), inplace="elementwise", keep_inputs=False)
    assert flow.overwrites == ((18, (0,)), (18, (1, 0)), (0, ()), (0, ()))


def test_inputs_that_are_kept_and_inputs_that_nobody_reads():
    net = Net(dtype="int8")
    net.tensor("x", (1, 2, 3, 3), "input")
    net.tensor("y", (1, 2, 3, 3), "input")
    net.conv("x", 4)
    free = data_flow(net.finish(), inplace="as_written", keep_inputs=False)
    assert [(s.tensor.name, s.kept) for s in free.storages] == [("x", False), ("l0", True)]
    held = data_flow(net.finish(), inplace="as_written", keep_inputs=True)
    assert [(s.tensor.name, s.kept) for s in held.storages] == [
        ("x", True), ("y", True), ("l0", True),
    ]  # fmt: skip
