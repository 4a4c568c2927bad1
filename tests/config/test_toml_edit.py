"""Changing one value of a file that a person wrote, and nothing else in it."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pb.config.toml_edit import with_value, without
from pb.errors import UnsupportedError

CASES = [
    ("an empty file", "", "[gateway]\nport = 1\n"),
    ("a value", "[gateway]\nport = 9  # mine\n", "[gateway]\nport = 1  # mine\n"),
    ("a proposal", "[gateway]\n# port = 9\n# host = 2\n", "[gateway]\nport = 1\n# host = 2\n"),
    (
        "a section",
        '# top\n[gateway]\nhost = "x" # h\n\n[debug]\nport = 5\n',
        '# top\n[gateway]\nhost = "x" # h\nport = 1\n\n[debug]\nport = 5\n',
    ),
    ("an empty section", "[gateway]\n\n[debug]", "[gateway]\nport = 1\n\n[debug]"),
    ("another section", "[debug]\nport = 5", "[debug]\nport = 5\n\n[gateway]\nport = 1\n"),
    (
        "a proposal of another",
        "[debug]\n# port = 9\n",
        "[debug]\n# port = 9\n\n[gateway]\nport = 1\n",
    ),
    ("dots", 'gateway.host = "x"\n', 'gateway.host = "x"\ngateway.port = 1\n'),
    ("dots that are it", "gateway . port = 9\n", "gateway . port = 1\n"),
    ("an inline table", "gateway = {port = 9, tls = true}", "gateway = {port = 1, tls = true}"),
    ("quotes", '["gateway"]\n"port" = 9', '["gateway"]\n"port" = 1'),
    (
        "a list over lines",
        "[gateway]\nport = [\n 1, # one\n 2,\n]\nx = 1",
        "[gateway]\nport = 1\nx = 1",
    ),
    ("Windows' lines", "[gateway]\r\nport = 9\r\n", "[gateway]\r\nport = 1\r\n"),
    (
        "Windows' lines, new",
        '[gateway]\r\nhost = "x"\r\n',
        '[gateway]\r\nhost = "x"\r\nport = 1\r\n',
    ),
    (
        "a table within",
        '[gateway.x]\na = "b"\n',
        '[gateway.x]\na = "b"\n\n[gateway]\nport = 1\n',
    ),
    ("a date", "[gateway]\nport = 1979-05-27 07:32:00\n", "[gateway]\nport = 1\n"),
]


@pytest.mark.parametrize(("before", "after"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_value_is_changed_where_it_stands(before: str, after: str) -> None:
    assert with_value(before, "gateway", "port", 1) == after
    assert with_value(after, "gateway", "port", 1) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[gateway]\nport = 9 # mine\nx = 1\n", "[gateway]\nx = 1\n"),
        ("[gateway]\nx = 1\nport = [\n1,\n]", "[gateway]\nx = 1\n"),
        ("gateway.port = 9\r\nx.y = 1\r\n", "x.y = 1\r\n"),
        ("[gateway]\n  port = 9\n", "[gateway]\n"),
        ("[debug]\nport = 9\n", "[debug]\nport = 9\n"),
        ("", ""),
    ],
)
def test_a_key_is_taken_out_with_its_line(before: str, after: str) -> None:
    assert without(before, "gateway", "port") == after


@pytest.mark.parametrize(
    "text", ["gateway = 5\n", 'gateway = {host = "x"}\n', "[gateway.port]\nx = 1\n"]
)
def test_what_cannot_be_changed_safely_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        with_value(text, "gateway", "port", 1)
    assert "pb config edit" in str(caught.value.hint)


def test_a_key_of_an_inline_table_is_not_taken_out() -> None:
    with pytest.raises(UnsupportedError):
        without("gateway = {port = 9}\n", "gateway", "port")


KEYS = st.sampled_from(["port", "host", "tls", "names"])
VALUES = st.one_of(
    st.integers(-5, 70_000),
    st.booleans(),
    st.text(max_size=8).filter(lambda text: text < "\ud800" or text > "\udfff"),
    st.lists(st.sampled_from(["a", "b]", "#c", '"d'])).map(tuple),
    st.dictionaries(st.sampled_from(["a", "b c"]), st.integers(0, 9)),
)
LINES = st.sampled_from(
    ["", "# port = 1", "#  [gateway]", "port = 1", 'host = "a#b" # c', "[gateway]", "[debug]",
     'x = """\n[gateway]\nport = 7\n"""', "y = [1, [2,\n3], {a = 1}]", "gateway.tls = true",
     "z = '''\n# port = 5\n'''"]
)  # fmt: skip


@given(st.lists(LINES, max_size=8), KEYS, VALUES, st.booleans())
def test_whatever_the_file_only_that_value_changes(
    lines: list[str], key: str, value: object, ends: bool
) -> None:
    text = "\n".join(lines) + ("\n" if ends else "")
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    try:
        changed = with_value(text, "gateway", key, value)
    except UnsupportedError:
        return
    wanted = {**before, "gateway": {**before.get("gateway", {}), key: value}}
    if isinstance(value, tuple):
        wanted["gateway"][key] = list(value)
    assert tomllib.loads(changed) == wanted
    gone = tomllib.loads(without(changed, "gateway", key))
    assert key not in gone.get("gateway", {})
    assert {k: v for k, v in gone.items() if k != "gateway"} == {
        k: v for k, v in before.items() if k != "gateway"
    }
