"""YAML from strangers: read as a tree, or refused with file and line; nothing is run or expanded."""

import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.errors import FileFormatError
from steelyard.hardware.yamltree import MAX_BYTES, Node, parse_tree, read_tree


def plain(node: Node):
    if isinstance(node.value, dict):
        return {key: plain(inner) for key, inner in node.value.items()}
    if isinstance(node.value, list):
        return [plain(inner) for inner in node.value]
    return node.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("-3", -3), ("+4", 4), ("1e9", 1e9), ("2.5", 2.5), (".5", 0.5), ("1.", 1.0),
        ("~", None), ("null", None), ("true", True), ("False", False), ("no", "no"), ("on", "on"),
        ("0x10", "0x10"), ("1_000", "1_000"), (".inf", ".inf"), ("12:30", "12:30"), ("'12'", "12"),
        ('"a\\tb"', "a\tb"), ("2020-01-01", "2020-01-01"), ("64 KiB", "64 KiB"),
    ],
)  # fmt: skip
def test_scalars(text, value) -> None:
    found = plain(parse_tree(f"a: {text}"))["a"]
    assert found == value
    assert type(found) is type(value)


def test_nodes_know_where_they_stand() -> None:
    tree = parse_tree("a:\n  b: [1, {c: 2}]\n", "f.yaml")
    inner = tree.mapping()["a"].mapping()["b"].items()[1].mapping()["c"]
    assert (inner.path, inner.line, inner.file) == ("a.b[1].c", 2, "f.yaml")
    assert (
        str(inner.error("bad", expected="good")) == "f.yaml, line 2, a.b[1].c: bad\nexpected: good"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f is empty"),
        ("# nothing\n", "f is empty"),
        ("a: 1\nb: 2\na: 3\n", "f, line 3: the key 'a' stands twice"),
        ("a: &x [1]\nb: *x\n", "f, line 1: an anchor or alias"),
        ("a: [1]\nb: *x\n", "f, line 2: an anchor or alias"),
        ("&k a: 1\n", "f, line 1: an anchor or alias"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", "f, line 2: the tag"),
        ("!!str a: 1\n", "f, line 1: the tag"),
        ("a: 1\n---\nb: 2\n", "f, line 2: a second document begins"),
        ("? [1, 2]\n: 3\n", "f, line 1: a key that is not a word"),
        ("a: [1, 2\n", "f, line 2: expected ',' or ']'"),
        ("a: {b: 1\n", "expected: valid YAML"),
        ("a:\n\tb: 1\n", "f, line 2: found character"),
        ("a: \x07\n", "f: special characters are not allowed"),
        ("a: " + "[" * 50 + "]" * 50, "nested deeper than 16"),
        ("[" * 50_000, "nested deeper than 16"),
        ("<<: {a: 1}\n<<: {b: 1}\n", "the key '<<' stands twice"),
    ],
)  # fmt: skip
def test_refused(text, message) -> None:
    with pytest.raises(FileFormatError) as error:
        parse_tree(text, "f")
    assert message in str(error.value)


def test_a_bomb_of_aliases_is_not_lit() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    names = "abcdefghi"
    lines += [f"{new}: &{new} [{', '.join(['*' + old] * 9)}]" for old, new in pairwise(names)]
    with pytest.raises(FileFormatError, match="anchor or alias"):
        parse_tree("\n".join(lines))


@given(st.text(max_size=60))
def test_any_text_is_a_tree_or_refused(text) -> None:
    try:
        parse_tree(text)
    except FileFormatError as error:
        assert str(error)


@given(st.text(alphabet="ab:{}[]&*!-?|>'\"% \n1.,#<", max_size=40))
def test_any_punctuation_is_a_tree_or_refused(text) -> None:
    try:
        parse_tree(text)
    except FileFormatError as error:
        assert str(error)


class TestFiles:
    def test_missing(self, tmp_path) -> None:
        with pytest.raises(FileFormatError, match="cannot be read: No such file"):
            read_tree(tmp_path / "none.yaml")

    def test_a_folder(self, tmp_path) -> None:
        with pytest.raises(FileFormatError, match="cannot be read: Is a directory"):
            read_tree(tmp_path)

    def test_a_name_that_is_none(self) -> None:
        with pytest.raises(FileFormatError, match="is no file name"):
            read_tree("a\0b.yaml")

    def test_huge(self, tmp_path) -> None:
        (tmp_path / "huge.yaml").write_bytes(b"a: 1\n" * MAX_BYTES)
        with pytest.raises(FileFormatError, match="is larger than 256 KiB"):
            read_tree(tmp_path / "huge.yaml")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
    def test_endless_input_ends(self) -> None:
        with pytest.raises(FileFormatError, match="is larger than 256 KiB"):
            read_tree("/dev/zero")

    def test_not_utf8(self, tmp_path) -> None:
        (tmp_path / "l.yaml").write_bytes(b"a: caf\xe9\n")
        with pytest.raises(FileFormatError, match="is not UTF-8"):
            read_tree(tmp_path / "l.yaml")

    def test_a_byte_order_mark_is_fine(self, tmp_path) -> None:
        (tmp_path / "b.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\n")
        assert plain(read_tree(tmp_path / "b.yaml")) == {"a": 1}
