"""What several shards tell of the nodes that answered them, in one file."""

from seatrial.harness.records.nodes import Nodes


def test_nodes_and_repetitions_add_up(tmp_path):
    one, two = Nodes(), Nodes()
    one.add("a", 8, {"machine": "x86_64"})
    one.repeated("t", 32, 0, "nothing")
    two.add("a", 4, {"machine": "another"})
    two.add("b", 8, {"machine": "x86_64"})
    two.repeated("t", 32, 2, "2 of 32 differ")
    two.repeated("u", 32, 0, "nothing")
    both = Nodes()
    both.join(one)
    both.join(two)
    both.write(tmp_path / "nodes.json")
    found = Nodes.read(tmp_path / "nodes.json")
    assert found == both
    assert {name: node["cores"] for name, node in found.nodes.items()} == {"a": 8, "b": 8}
    assert found.targets["t"] == {"images": 64, "differing": 2, "says": ["2 of 32 differ"]}
    assert found.targets["u"] == {"images": 32, "differing": 0, "says": []}
