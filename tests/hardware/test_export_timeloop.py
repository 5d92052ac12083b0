"""Timeloop's files hold what its v0.4 front end declares: keys, classes, kinds of nodes.

From the classes of ``timeloopfe.v4`` (arch.py, constraints.py, problem.py; Accelergy-Project, 2024), which
refuse other keys.
"""

import pytest
import yaml

from steelyard.hardware.device import Accelerator
from steelyard.hardware.export import timeloop_architecture, timeloop_problem
from steelyard.hardware.registry import device, list_devices
from steelyard.workload import LoopNest

BUFFERS = {"DRAM", "SRAM", "regfile", "smartbuffer", "storage"}
COMPUTE = {"mac", "intmac", "fpmac", "compute"}
NODE = {"name", "attributes", "spatial", "constraints", "sparse_optimizations"}
COMPONENT = NODE | {"class", "subclass", "required_actions", "area_share", "enabled"}
CONTAINER = NODE | {"networks"}
ATTRIBUTES = {
    "datawidth", "technology", "n_banks", "block_size", "cluster_size", "depth", "width", "entries",
    "sizeKB", "reduction_supported", "multiple_buffering", "min_utilization", "shared_bandwidth",
    "read_bandwidth", "write_bandwidth",
}  # fmt: skip
LOOPS = {"factors", "permutation", "default_max_factor", "default_min_factor", "remainders"}
CONSTRAINTS = {
    "spatial": LOOPS | {"no_reuse", "no_link_transfer", "split"},
    "temporal": LOOPS | {"no_reuse", "rmw_first_update"},
    "dataspace": {"bypass", "keep", "no_coalesce"},
}


class Loader(yaml.SafeLoader):
    """Reads Timeloop's tags as (tag, content)."""


Loader.add_multi_constructor(
    "!", lambda loader, tag, node: (tag, loader.construct_mapping(node, deep=True))
)


def _accelerators():
    found = [name for name in list_devices() if name != "cpu"]
    return [name for name in found if isinstance(device(name), Accelerator)]


def check_node(tag, node):
    if tag == "Parallel":
        assert set(node) == {"nodes"}
        for inner in node["nodes"]:
            check_node(*inner)
        return
    assert tag in ("Component", "Container")
    assert set(node) <= (COMPONENT if tag == "Component" else CONTAINER)
    for kind, rules in node.get("constraints", {}).items():
        assert set(rules) <= CONSTRAINTS[kind]
        assert all(factor.count("=") == 1 for factor in rules.get("factors", ()))
    if tag == "Container":
        assert set(node["spatial"]) <= {"meshX", "meshY"}
        assert all(type(size) is int and size > 0 for size in node["spatial"].values())
        return
    assert node["class"] in BUFFERS | COMPUTE
    assert set(node["attributes"]) <= ATTRIBUTES


@pytest.mark.parametrize("name", _accelerators())
def test_architecture_has_known_keys(name):
    found = yaml.load(timeloop_architecture(device(name)), Loader)
    assert set(found) == {"architecture", "ERT"}
    assert set(found["architecture"]) == {"version", "nodes"}
    assert str(found["architecture"]["version"]) == "0.4"
    nodes = found["architecture"]["nodes"]
    for node in nodes:
        check_node(*node)
    assert nodes[0][1]["class"] == "DRAM"
    assert nodes[-1][1]["class"] in COMPUTE


def test_problem_has_known_keys():
    nest = LoopNest(
        N=1, G=2, M=4, C=4, out=(3, 3), kernel=(3, 3), input=(5, 5), stride=(1, 1), dilation=(1, 1),
        padding=((1, 1), (0, 0)),
    )  # fmt: skip
    problem = yaml.safe_load(timeloop_problem(nest, densities={"W": 0.25}))["problem"]
    assert set(problem) == {"version", "instance", "shape"}
    shape, instance = problem["shape"], problem["instance"]
    assert set(shape) <= {"name", "dimensions", "data_spaces", "coefficients"}
    names = set(shape["dimensions"]) | {c["name"] for c in shape["coefficients"]}
    assert set(instance) == names | {"densities"}
    assert all(type(instance[name]) is int for name in names)
    for density in instance["densities"].values():
        assert set(density) <= {"density", "distribution", "band_width", "workload_tensor_size"}
        assert density["distribution"] in ("fixed_structured", "hypergeometric", "banded")
    for space in shape["data_spaces"]:
        assert set(space) <= {"name", "projection", "read_write"}
        # a projection is a list of sums, a sum a list of products of a dimension and perhaps a coefficient
        used = {word for total in space["projection"] for term in total for word in term}
        assert used <= names
