"""Files: what is saved comes back, what is damaged is refused, and a crash leaves the old file."""

import contextlib
import errno
import hashlib
import json
import os
import pickle
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import xpnn
from tests.helpers import to_numpy
from xpnn.core.activations import ACTIVATIONS
from xpnn.exceptions import ArgumentError, ArgumentTypeError, FileFormatError
from xpnn.files import atomic, container, networks, plain, save
from xpnn.validation import memory

NET = xpnn.Network([3, 4, 2], hidden="tanh", output="softmax")
DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a model.safetensors"


def parts(path):
    """Take a file apart without the library: the header, the record in it, the arrays' bytes."""
    raw = path.read_bytes()
    stop = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:stop])
    return header, json.loads(header["__metadata__"]["xpnn"]), raw[stop:]


def put(path, header, record, data):
    """Put a file together without the library."""
    if record is not None:
        text = record if isinstance(record, str) else json.dumps(record)
        header = {**header, "__metadata__": {"xpnn": text}}
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.fixture
def safetensors():
    """The library, which has no wheel for Python 3.13 without the GIL."""
    return pytest.importorskip("safetensors.numpy")


@pytest.fixture
def saved(path):
    """Path and parts of a small network's file."""
    save(path, NET, NET.init(rng=0))
    return path, *parts(path)


# ---- round trips ------------------------------------------------------------


def test_a_network_comes_back(backend, path):
    params = NET.init(rng=1)
    save(path, NET, params)
    net, found = networks.read_network(container.read(path, ("network",)), backend)
    assert net == NET
    for layer, expected in zip(found, to_numpy(backend, params), strict=True):
        assert type(backend).of(layer.W) == type(backend).of(layer.b) == backend
        np.testing.assert_array_equal(backend.to_numpy(layer.W), expected.W, strict=True)
        np.testing.assert_array_equal(backend.to_numpy(layer.b), expected.b, strict=True)
    assert net.forward(found, np.ones((3, 5)))[0].shape == (2, 5)


def test_float64_comes_back_in_float64(backend64, path):
    params = NET.init(rng=1)
    save(path, NET, params)
    _, found = networks.read_network(container.read(path, ("network",)), backend64)
    assert backend64.to_numpy(found[1].W).dtype == np.float64
    np.testing.assert_array_equal(backend64.to_numpy(found[1].W), backend64.to_numpy(params[1].W))


def test_every_backend_writes_the_same_bytes(backend, path):
    save(path, NET, NET.init(rng=1))
    with xpnn.use_backend("numpy"):
        save(path.with_name("numpy"), NET, NET.init(rng=1))
    assert path.read_bytes() == path.with_name("numpy").read_bytes()


def test_the_dtype_of_the_backend_decides(path):
    with xpnn.use_backend("numpy", dtype="float64"):
        params = NET.init(rng=1)
        save(path, NET, params)
    contents = container.read(path, ("network",))
    assert contents.tensors["W1"].dtype == np.float64
    _, found = networks.read_network(contents, xpnn.set_backend("numpy"))
    np.testing.assert_array_equal(found[0].W, params[0].W.astype(np.float32), strict=True)


@pytest.mark.parametrize("output", sorted(ACTIVATIONS))
def test_every_activation_comes_back(output, path):
    hidden = sorted(set(ACTIVATIONS) - {"softmax"})
    net = xpnn.Network([2] * (len(hidden) + 2), hidden=hidden, output=output)
    save(path, net, net.init())
    assert networks.network_of(container.read(path, ("network",)).content["network"]) == net


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "categorical_cross_entropy", "poisson"])
def test_every_loss_comes_back(loss):
    net = xpnn.Network([2, 2], output="sigmoid", loss=loss)
    assert networks.network_of(json.loads(json.dumps(networks.describe(net)))) == net


def test_str_and_path(path):
    save(str(path), NET, NET.init())
    first = path.read_bytes()
    save(path, NET, NET.init())
    assert path.read_bytes() == first
    assert container.read(str(path), ("network",)).kind == "network"


BASE = np.arange(24.0).reshape(4, 6)


@pytest.mark.parametrize(
    "a",
    [
        pytest.param(BASE.T, id="transposed"),
        pytest.param(np.asfortranarray(BASE), id="fortran"),
        pytest.param(BASE[::2, 1::2], id="strided"),
        pytest.param(BASE[::-1, ::-1], id="reversed"),
        pytest.param(BASE[1, ::2], id="strided_vector"),
        pytest.param(np.broadcast_to(BASE[:1], (3, 6)), id="broadcast"),
        pytest.param(BASE.astype(">f8"), id="big_endian"),
        pytest.param(BASE.astype(">i4").T, id="big_endian_transposed"),
        pytest.param(np.array(2.5), id="0d"),
        pytest.param(np.float32(2.5), id="scalar"),
        pytest.param(np.zeros((0, 3)), id="empty"),
        *(pytest.param((BASE % 2).astype(dtype).T, id=dtype) for dtype in DTYPES),
    ],
)
def test_every_layout_comes_back(a, path):
    container.write(path, "arrays", {}, {"a": a, "b": BASE})
    found = container.read(path, ("arrays",)).tensors
    np.testing.assert_array_equal(found["a"], np.asarray(a, a.dtype.newbyteorder("=")), strict=True)
    np.testing.assert_array_equal(found["b"], BASE, strict=True)
    assert found["a"].flags.c_contiguous
    assert found["a"].flags.writeable


def test_other_programs_read_the_arrays(safetensors, path):
    arrays = {f"{dtype} ü": np.arange(6).reshape(2, 3).astype(dtype).T for dtype in DTYPES}
    arrays |= {"empty": np.zeros((0, 3)), "big": BASE.astype(">f8"), "0d": np.array(2.5)}
    container.write(path, "arrays", {}, arrays)
    found = safetensors.load_file(path)
    assert found.keys() == arrays.keys()
    for name, a in arrays.items():
        np.testing.assert_array_equal(found[name], a)
    with path.open("rb") as file:
        assert int.from_bytes(file.read(8), "little") % 8 == 0  # arrays are aligned


CONTENT = {
    "none": None,
    "text": 'ü "quoted" \ud800 \x00',
    "numbers": [1, -2.5, 2**60, True],
    "nested": {"float": {"float": [float("-inf"), {"float": "inf"}]}, "": {}},
    "infinite": float("inf"),
}


def test_plain_values_come_back(path):
    container.write(path, "values", CONTENT, {})
    found = container.read(path, ("values",))
    assert found.content == CONTENT
    assert found.tensors == {}
    assert isinstance(found.content["numbers"][3], bool)


def test_nan_comes_back(path):
    container.write(path, "values", {"nan": float("nan"), "np": np.float32("nan")}, {})
    found = container.read(path, ("values",)).content
    assert [np.isnan(found["nan"]), np.isnan(found["np"])] == [True, True]


def test_tuples_and_numpy_scalars_become_plain(path):
    content = {
        "t": (1, (2,)),
        "i": np.int64(3),
        "f": np.float32(0.5),
        "b": np.bool_(True),
        "s": np.str_("x"),
    }
    container.write(path, "values", content, {})
    found = container.read(path, ("values",)).content
    assert found == {"t": [1, [2]], "i": 3, "f": 0.5, "b": True, "s": "x"}
    assert [type(found[key]) for key in "ifbs"] == [int, float, bool, str]


def test_the_order_of_dicts_does_not_matter(path):
    a, b = np.zeros(3), np.ones(2, np.float32)
    container.write(path, "k", {"x": {"p": 1, "q": 2}, "y": 3}, {"a": a, "b": b, "c": a})
    first = path.read_bytes()
    container.write(path, "k", {"y": 3, "x": {"q": 2, "p": 1}}, {"c": a, "b": b, "a": a})
    assert path.read_bytes() == first


# printf '\x00\x00\x80\x3f\x00\x00\x00\x40' | sha256sum
ONE_AND_TWO = "b9c80b5adeca450753a16950c3cc655d271f7bef7a485bc83f112b72fef21d37"
OF_FORMAT_1 = {"a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}}
RECORD_1 = (
    '{"content":{"rate":{"float":"inf"}},"format":1,"kind":"k",'
    f'"sha256":{{"a":"{ONE_AND_TWO}"}}}}'
)


def test_the_format_stays(path):
    """Once written, for ever read: format 1 of early versions, put together by its description."""
    put(path, OF_FORMAT_1, RECORD_1, np.array([1.0, 2.0], "<f4").tobytes())
    found = container.read(path, ("k",))
    assert found.content == {"rate": float("inf")}
    np.testing.assert_array_equal(found.tensors["a"], np.float32([[1.0], [2.0]]), strict=True)
    container.write(path, *found)
    header, *_ = parts(path)
    digest = header["__metadata__"].pop("xpnn_sha256")
    assert header == {**OF_FORMAT_1, "__metadata__": {"xpnn": RECORD_1}}
    text = json.dumps(header, sort_keys=True, separators=(",", ":"))
    assert digest == hashlib.sha256(text.encode()).hexdigest()


def test_what_safetensors_writes_is_read(safetensors, path):
    """Early versions left the writing to safetensors."""
    arrays = {"a": BASE, "b": np.array([True, False]), "c": np.float32([1.0]), "d": np.array(2)}
    digests = {name: hashlib.sha256(a.tobytes()).hexdigest() for name, a in arrays.items()}
    record = {"content": {}, "format": 1, "kind": "k", "sha256": digests}
    path.write_bytes(safetensors.save(arrays, metadata={"xpnn": json.dumps(record)}))
    found = container.read(path, ("k",)).tensors
    assert list(found) == list(arrays)
    for name, a in arrays.items():
        np.testing.assert_array_equal(found[name], a, strict=True)


# ---- what cannot be saved ---------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"classes": np.arange(3)}, r"^content.classes: .* found ndarray"),
        ({"a": [{"b": {1, 2}}]}, r"^content.a\[0\].b: .* found set"),
        ({"a": b"x"}, "found bytes"),
        ({"a": 1j}, "found complex"),
        ({"a": np.datetime64("2020-01-01")}, "found datetime64"),
        ({"a": {1: 2}}, r"^content.a: expected keys that are str, found 1 \(int\)"),
        ({"a": len}, "found builtin_function_or_method"),
    ],
)
def test_other_values_are_refused(content, message, path):
    with pytest.raises(ArgumentTypeError, match=message):
        container.write(path, "k", content, {})
    assert not path.exists()


@pytest.mark.parametrize(
    ("tensors", "error", "message"),
    [
        ({"a": BASE.astype(np.float16)}, ArgumentTypeError, r"tensors\['a'\]: .* dtype float16"),
        ({"a": BASE.astype(complex)}, ArgumentTypeError, "found dtype complex128"),
        ({"a": np.array(["x"])}, ArgumentTypeError, "found dtype <U1"),
        ({"a": np.array([None])}, ArgumentTypeError, "found dtype object"),
        ({"a": [1.0]}, ArgumentTypeError, "found list"),
        ({1: BASE}, ArgumentTypeError, "expected names that are str, found 1"),
        ({"__metadata__": BASE}, ArgumentError, "rename it"),
    ],
)
def test_other_arrays_are_refused(tensors, error, message, path):
    with pytest.raises(error, match=message):
        container.write(path, "k", {}, tensors)
    assert not path.exists()


def test_functions_of_ones_own_are_refused(path):
    own = xpnn.Activation(lambda Z, xp: Z * 2.0, name="relu")
    net = xpnn.Network([2, 3, 1], hidden=own, output="sigmoid")
    with pytest.raises(ArgumentTypeError, match="activation of layer 1, 'relu', is a function of"):
        save(path, net, net.init())
    net = xpnn.Network([2, 1], output="identity", loss=xpnn.Loss(lambda A, Y, xp: A - Y, name="d"))
    with pytest.raises(ArgumentTypeError, match="the loss, 'd', is a function of your own"):
        save(path, net, net.init())
    assert not path.exists()


def test_parameters_of_another_network_are_refused(path):
    with pytest.raises(ArgumentError, match="expected 2 layers"):
        save(path, NET, xpnn.Network([2, 2]).init())


# ---- what cannot be read ----------------------------------------------------


def refusal(path, kinds=("network",)):
    """Return the message of the one error that bad content may raise."""
    with pytest.raises(FileFormatError) as caught:
        networks.read_network(
            container.read(path, kinds, networks.check_parameters), xpnn.get_backend()
        )
    return str(caught.value)


def edited(**changes):
    """Return an edit of a file's record."""
    return lambda header, record, data: (header, {**record, **changes}, data)


def of_header(edit):
    """Return an edit of a file's header."""

    def apply(header, record, data):
        edit(header)
        return header, record, data

    return apply


def of_network(**changes):
    """Return an edit of the network that the file describes."""

    def apply(header, record, data):
        record["content"]["network"].update(changes)
        return header, record, data

    return apply


DAMAGE = {
    "newer": (edited(format=2), "written by a newer version of xpnn: its format is 2"),
    "newer_other_keys": (
        lambda header, record, data: (header, {"format": 3, "new": 1}, data),
        "written by a newer version",
    ),
    "format_0": (edited(format=0), "expected format, kind, sha256 and content"),
    "format_bool": (edited(format=True), "expected format, kind, sha256 and content"),
    "extra_key": (edited(more=1), "expected format, kind, sha256 and content"),
    "kind_of_a_list": (edited(kind=["network"]), "expected format, kind, sha256 and content"),
    "kind": (edited(kind="estimator"), "expected a file of kind 'network', found kind 'estimator'"),
    "content_of_a_list": (edited(content=[]), "expected format, kind, sha256 and content"),
    "no_digests": (edited(sha256={}), "expected the arrays none, .* found W1, W2, b1, b2"),
    "digest_of_a_number": (edited(sha256={"W1": 1}), "expected format, kind, sha256 and content"),
    "record_not_json": (lambda h, r, d: (h, "{", d), "its metadata 'xpnn' is not JSON"),
    "record_a_list": (lambda h, r, d: (h, "[1]", d), r"found \[1\]"),
    "record_with_nan": (lambda h, r, d: (h, '{"a":NaN}', d), "NaN is not a JSON number"),
    "record_float": (lambda h, r, d: (h, '{"float":3}', d), "holds 3"),
    "record_key_twice": (
        lambda h, r, d: (h, '{"a":1,"a":1}', d),
        "a key stands twice in one object",
    ),
    "record_deep": (lambda h, r, d: (h, "[" * 100_000, d), "its metadata 'xpnn' is not JSON"),
    "header_key_twice": (
        lambda h, r, d: (b'{"a":{},"a":{}}', None, d),
        "its header is not JSON .*a key stands twice in one object",
    ),
    "header_not_utf8": (lambda h, r, d: (b'{"\xff":1}', None, d), "its header is not JSON"),
    "header_utf16": (lambda h, r, d: ("{}".encode("utf-16"), None, d), "its header is not JSON"),
    "header_a_list": (lambda h, r, d: (b"[]", None, d), "its header to be a JSON object"),
    "header_empty": (lambda h, r, d: (b"", None, d), "its header is not JSON"),
    "metadata_a_list": (
        lambda h, r, d: ({**h, "__metadata__": []}, None, d),
        "another program wrote it",
    ),
    "record_a_number": (
        lambda h, r, d: ({**h, "__metadata__": {"xpnn": 1}}, None, d),
        "another program wrote it",
    ),
    "array_missing": (of_header(lambda h: h.pop("b2")), "expected the arrays W1, W2, b1, b2"),
    "dtype_unknown": (
        of_header(lambda h: h["W1"].update(dtype="F16")),
        "expected 'W1' to hold .*, found .*F16",
    ),
    "entry_a_number": (of_header(lambda h: h.update(W1=3)), "expected 'W1' to hold .*, found 3"),
    "entry_a_dtype": (of_header(lambda h: h.update(W1="F32")), "to hold .*, found F32"),
    "dtype_a_list": (of_header(lambda h: h["W1"].update(dtype=["F32"])), "to hold .*, found {"),
    "shape_of_bools": (of_header(lambda h: h["W1"].update(shape=[True, 12])), "do not fit each"),
    "shape_long": (of_header(lambda h: h["W1"].update(shape=[4, 3] + [1] * 70)), "do not fit each"),
    "entry_with_more": (of_header(lambda h: h["W1"].update(more=1)), "do not fit each other"),
    "shape_negative": (of_header(lambda h: h["W1"].update(shape=[-1])), "do not fit each other"),
    "shape_too_large": (
        of_header(lambda h: h["W1"].update(shape=[2**62, 2**62])),
        "do not fit each other",
    ),
    "shape_missing": (of_header(lambda h: h["W1"].pop("shape")), "do not fit each other"),
    "overlap": (
        of_header(lambda h: h["W2"].update(data_offsets=[0, 32])),
        "do not fit each other",
    ),
    "hole": (
        lambda h, r, d: ({**h, "b2": {**h["b2"], "data_offsets": [104, 112]}}, r, d + bytes(8)),
        "do not fit each other",
    ),
    "data_too_short": (lambda h, r, d: (h, r, d[:-1]), "do not fit each other"),
    "data_too_long": (lambda h, r, d: (h, r, d + b"x"), "do not fit each other"),
    "data_changed": (
        lambda h, r, d: (h, r, bytes([d[0] ^ 1]) + d[1:]),
        "the numbers of 'W1' are not those that were saved",
    ),
    "shape_changed": (
        of_header(lambda h: h["W1"].update(shape=[3, 4])),
        r"expected an array 'W1' .* of shape \(4, 3\), .* found float32 of shape \(3, 4\)",
    ),
    "dtype_changed": (of_header(lambda h: h["W1"].update(dtype="I32")), "found int32 of shape"),
    "no_network": (edited(content={}), "expected the sizes, hidden, output, cost of a network"),
    "sizes_of_str": (of_network(sizes="34"), "expected the sizes, hidden, output, cost"),
    "sizes_of_floats": (of_network(sizes=[3.0, 4.0, 2.0]), "cannot make: sizes"),
    "sizes_of_another": (of_network(sizes=[3, 5, 2]), r"'W1' .* of shape \(5, 3\)"),
    "a_layer_more": (
        of_network(sizes=[3, 4, 2, 2], hidden=["tanh"] * 2),
        "expected an array 'W3' .* found none",
    ),
    "hidden_unknown": (of_network(hidden=["os.system"]), "cannot make: unknown activation"),
    "hidden_of_a_dict": (of_network(hidden=[{}]), "cannot make: unknown activation"),
    "output_unknown": (of_network(output="gelu"), "cannot make: unknown activation 'gelu'"),
    "cost_none": (of_network(cost=None), "expected the sizes, hidden, output, cost"),
    "cost_unsuited": (of_network(cost="poisson"), "does not suit loss"),
    "unknown_key": (of_network(dropout=0.5), "expected the sizes, hidden, output, cost"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(name, saved):
    path, *whole = saved
    edit, message = DAMAGE[name]
    put(path, *edit(*whole))
    found = refusal(path)
    assert re.search(message, found)


def test_the_untouched_parts_do_load(saved):
    """Guard the tests above: without an edit, putting the parts together is no damage."""
    path, *whole = saved
    put(path, *whole)
    net, _ = networks.read_network(container.read(path, ("network",)), xpnn.get_backend())
    assert net == NET


@pytest.mark.parametrize("size", [0, 7, 8, 9, 200, -1])
def test_a_file_cut_short_is_refused(size, saved):
    path = saved[0]
    path.write_bytes(path.read_bytes()[:size])
    assert "Was it copied in full?" in refusal(path)


class Trap:
    """Unpickling this would write a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


@pytest.mark.parametrize("protocol", [2, 5])
def test_a_pickle_is_not_opened(protocol, path):
    sprung = path.parent / "sprung"
    path.write_bytes(pickle.dumps(Trap(sprung), protocol))
    assert "found a pickle, as pickle.dump and joblib.dump write; it was not" in refusal(path)
    path.write_bytes(pickle.dumps(1, protocol))  # shorter than 8 bytes
    assert "found a pickle" in refusal(path)
    assert not sprung.exists()


def test_other_files_are_not_opened(safetensors, path):
    with path.open("wb") as file:
        np.savez(file, a=BASE)
    assert "found a zip archive, as torch.save and numpy.savez write" in refusal(path)
    path.write_text("<html>404: the file was not found</html>")
    assert "found another format" in refusal(path)
    path.write_bytes(safetensors.save({"a": BASE}, metadata={"format": "np"}))
    assert "found a safetensors file without its metadata key 'xpnn'" in refusal(path)
    path.write_bytes((100_000_001).to_bytes(8, "little") + bytes(1000))
    assert "found another format" in refusal(path)


@pytest.mark.slow
@pytest.mark.parametrize("first", [0x80, 0x50])
def test_a_header_whose_length_looks_like_another_format_is_read(first, path):
    for n in range(256):
        container.write(path, "k", {"x": "x" * n}, {})
        if path.read_bytes()[0] == first:
            break
    assert path.read_bytes()[0] == first
    assert container.read(path, ("k",)).content == {"x": "x" * n}


def test_every_kind_that_is_wanted_is_named(saved):
    message = refusal(saved[0], ("checkpoint", "estimator"))
    assert "expected a file of kind 'checkpoint' or 'estimator', found kind 'network'" in message


def test_what_is_no_file_raises_what_open_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        container.read(tmp_path / "none", ("network",))
    with pytest.raises((IsADirectoryError, PermissionError)):
        container.read(tmp_path, ("network",))


def test_every_flipped_bit_is_refused_or_harmless(saved):
    """Flip a bit of each byte: the only error is ours, and nothing that is read is ever wrong."""
    path = saved[0]
    raw = path.read_bytes()
    expected = container.read(path, ("network",))
    rng = np.random.default_rng(0)
    harmless = 0  # only in the padding
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        try:
            found = container.read(path, ("network",))
        except FileFormatError:
            continue
        harmless += 1
        assert found[:2] == expected[:2]
        assert all(found.tensors[name].tobytes() == a.tobytes() for name, a in expected[2].items())
    assert harmless <= 8


def test_the_digest_is_of_the_whole_header(saved):
    path, header, record, data = saved
    for edit in (
        lambda h: h["W1"].update(shape=[3, 4]),
        lambda h: h["__metadata__"].update(more="x"),
        lambda h: h["__metadata__"].update(xpnn=json.dumps(record | {"kind": "estimator"})),
    ):
        changed = json.loads(json.dumps(header))
        edit(changed)
        put(path, changed, None, data)
        assert "its header is not the one that was saved" in refusal(path, ("network", "estimator"))


@pytest.mark.slow
def test_a_key_that_stands_twice_is_found_at_once(path):
    """A million keys: compared each with each they would take hours."""
    text = "{" + "".join(f'"k{i}":0,' for i in range(1_000_000)) + '"k999999":0}'
    path.write_bytes(len(text).to_bytes(8, "little") + text.encode())
    began = time.process_time()
    assert "a key stands twice in one object" in refusal(path)
    assert time.process_time() - began < 30


@pytest.mark.parametrize(
    "text", ['{"a\\\\":1,"b":{"a":":","\\":":2}}', '{"a" : 1, "b"\t:"\\\\\\":"}']
)
def test_no_key_is_seen_twice_where_none_is(text):
    assert plain.parse(text, "it") == json.loads(text)


def test_arrays_that_memory_does_not_hold_are_refused(path, monkeypatch):
    container.write(path, "k", {}, {"a": BASE})
    monkeypatch.setattr(memory, "host_memory", lambda: BASE.nbytes - 1)
    with pytest.raises(
        xpnn.exceptions.OutOfMemoryError, match=r"model.safetensors: expected arrays"
    ):
        container.read(path, ("k",))


def test_what_the_network_has_no_room_for_is_not_read(saved):
    """A sparse file of 4 GiB, which takes up 4 KiB on the disk."""
    path, header, record, _ = saved
    xpnn.load(path)  # imports what it needs
    header["W1"] |= {"shape": [2**30, 1], "data_offsets": [0, 2**32]}
    header |= {"W2": {"dtype": "F32", "shape": [2, 4], "data_offsets": [2**32, 2**32 + 32]}}
    for at, name in enumerate(["b1", "b2"]):
        start = 2**32 + 32 + 16 * at
        stop = start + (16, 8)[at]
        header[name]["data_offsets"] = [start, stop]
    put(path, header, record, b"")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + 2**32 + 56)
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError, match=r"expected an array 'W1' .* of shape \(4, 3\)"):
            xpnn.load(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    "a", [np.zeros((2**21, 4)), np.zeros((4, 2**21)).T, np.zeros(2**23, ">f8")]
)
def test_neither_writing_nor_reading_copies_the_arrays(a, path):
    tracemalloc.start()
    try:
        container.write(path, "k", {}, {"a": a})
        assert tracemalloc.get_traced_memory()[1] < 2**25  # of 2**26 bytes
        tracemalloc.reset_peak()
        found = container.read(path, ("k",))
        assert tracemalloc.get_traced_memory()[1] < found.tensors["a"].nbytes + 2**24
    finally:
        tracemalloc.stop()


# ---- writing ----------------------------------------------------------------


def leftovers(path):
    return [file.name for file in path.parent.iterdir() if file.name.endswith(".tmp")]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_an_exception_leaves_the_old_file(function, error, path, monkeypatch):
    def fail(*_):
        assert leftovers(path)  # it fails half-way, not before
        raise error

    path.write_bytes(b"old")
    monkeypatch.setattr(os, function, fail)
    with pytest.raises(type(error)):
        atomic.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert leftovers(path) == []


def test_an_exception_leaves_no_new_file(path, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        atomic.write_atomically(path, b"new")
    assert list(path.parent.iterdir()) == []


def test_a_full_disk_is_told_with_the_file(path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"a model\.safetensors"):
        atomic.write_atomically(path, b"new")


def test_a_folder_that_cannot_be_synced_is_no_error(path, monkeypatch):
    fsync = os.fsync

    def refuse_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    atomic.write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_the_bytes_reach_the_disk_before_the_name(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def note(name, function):
        return lambda *arguments: (calls.append(name), function(*arguments))[1]

    monkeypatch.setattr(os, "fsync", note("fsync", fsync))
    monkeypatch.setattr(os, "replace", note("replace", replace))
    atomic.write_atomically(path, b"new")
    assert calls == ["fsync", "replace", "fsync"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such folder: '.*there'"):
        save(tmp_path / "there" / "x", NET, NET.init())
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises((IsADirectoryError, PermissionError)):
        save(folder, NET, NET.init())
    assert leftovers(folder) == []


posix = pytest.mark.skipif(os.name != "posix", reason="permissions and links as POSIX has them")


@posix
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_new_file(umask, path):
    before = os.umask(umask)
    try:
        atomic.write_atomically(path, b"new")
        path.with_name("open").write_bytes(b"")
    finally:
        os.umask(before)
    assert path.stat().st_mode == path.with_name("open").stat().st_mode
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


@posix
def test_an_overwritten_file_keeps_its_permissions(path):
    path.write_bytes(b"old")
    path.chmod(0o640)
    atomic.write_atomically(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@posix
def test_a_link_stays_a_link(path):
    target = path.with_name("target")
    target.write_bytes(b"old")
    path.symlink_to(target)
    atomic.write_atomically(path, b"new")
    assert path.is_symlink()
    assert target.read_bytes() == b"new"


@posix
def test_a_fifo_is_written_to(path):
    os.mkfifo(path)
    found = []
    reader = threading.Thread(target=lambda: found.append(path.read_bytes()))
    reader.start()
    save(path, NET, NET.init(rng=0))
    reader.join(timeout=60)
    assert stat.S_ISFIFO(path.stat().st_mode)
    save(path.with_name("file"), NET, NET.init(rng=0))
    assert found == [path.with_name("file").read_bytes()]


@posix
def test_a_fifo_that_nothing_reads_is_told(path):
    os.mkfifo(path)
    with pytest.warns(UserWarning, match="no process reads this FIFO; the data are lost"):
        atomic.write_atomically(path, b"new")
    assert stat.S_ISFIFO(path.stat().st_mode)


@posix
def test_a_device_is_written_to():
    main, device = os.openpty()
    try:
        atomic.write_atomically(os.ttyname(device), b"new")
        assert os.read(main, 3) == b"new"
        assert stat.S_ISCHR(Path(os.ttyname(device)).stat().st_mode)
    finally:
        os.close(main)
        os.close(device)


@posix
def test_a_socket_stays(path, monkeypatch):
    monkeypatch.chdir(path.parent)  # the paths of sockets are short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")
        with pytest.raises(OSError, match="No such device or address"):
            save("s", NET, NET.init())
        assert stat.S_ISSOCK(Path("s").stat().st_mode)


@pytest.fixture
def unprivileged(tmp_path):
    """No rights of root, which may write everything."""
    if os.getuid() == 0:
        os.chown(tmp_path, 65534, 65534)
        for folder in tmp_path.parents[:3]:  # that of a worker, of the run and of the user
            folder.chmod(folder.stat().st_mode | 0o055)
        os.setresuid(65534, 65534, 0)
    yield
    if os.geteuid() == 65534:
        os.setresuid(0, 0, 0)


@posix
@pytest.mark.usefixtures("unprivileged")
@pytest.mark.parametrize(
    "write", [atomic.write_atomically, lambda path, _: atomic.check_replaceable(path)]
)
def test_a_file_that_may_not_be_written_stays(write, path):
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="may not be written"):
        write(path, b"new")
    assert path.read_bytes() == b"old"


@posix
def test_an_overwritten_file_keeps_its_owner_and_attributes(path):
    path.write_bytes(b"old")
    if os.getuid() == 0:
        os.chown(path, 1000, 1001)
    path.chmod(0o2640)
    before = path.stat()
    attributes = {}
    if hasattr(os, "setxattr"):
        with contextlib.suppress(OSError):  # this file system has none
            os.setxattr(path, "user.note", b"kept")
            attributes = {"user.note": b"kept"}
    atomic.write_atomically(path, b"new")
    after = path.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (
        before.st_uid,
        before.st_gid,
        before.st_mode,
    )
    assert {name: os.getxattr(path, name) for name in attributes} == attributes


@pytest.mark.parametrize("name", ["a" * 255, "é" * 127, "a" * 242])
def test_every_name_that_the_system_allows_can_be_written(name, tmp_path):
    path = tmp_path / name
    atomic.check_replaceable(path)
    atomic.write_atomically(path, b"new")
    assert [file.name for file in tmp_path.iterdir()] == [name]
    atomic._temporary(path).touch()
    atomic._temporary(path.with_name("b" + name[1:])).touch()
    atomic.remove_leftovers(path)
    assert len(list(tmp_path.iterdir())) == 2  # the file, and what belongs to the other one


def test_whether_a_file_can_be_written_is_known_before(tmp_path, monkeypatch):
    path = tmp_path / "x"
    atomic.check_replaceable(path)
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"old")
    atomic.check_replaceable(path)
    assert path.read_bytes() == b"old"
    with pytest.raises(FileNotFoundError, match="no such folder"):
        atomic.check_replaceable(tmp_path / "none" / "x")
    with pytest.raises(IsADirectoryError):
        atomic.check_replaceable(tmp_path)
    with pytest.raises(OSError, match="too long"):
        atomic.check_replaceable(tmp_path / ("a" * 256))
    with pytest.raises(NotADirectoryError):
        atomic.check_replaceable(path / "y")

    def refuse(*arguments):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OSError, match="Read-only file system"):
        atomic.check_replaceable(path)


def test_leftovers_are_those_of_the_file_alone(tmp_path):
    ours = [".a[b].01234567.tmp", ".a[b].89abcdef.tmp"]
    others = [
        ".a[b].c.01234567.tmp",
        ".ab.01234567.tmp",
        ".a[b].notours1.tmp",
        "a[b]",
        ".a[b].01234567",
    ]
    for name in ours + others:
        (tmp_path / name).touch()
    atomic.remove_leftovers(tmp_path / "a[b]")
    assert {file.name for file in tmp_path.iterdir()} == set(others)
    atomic.remove_leftovers(tmp_path / "none" / "a")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_process_leaves_a_whole_file(path, rng):
    """3 MB a write, so that most kills fall into one; counted up, so that a stale file shows."""
    code = f"""
import itertools, numpy as np
from xpnn.files import container
for i in itertools.count():
    container.write({str(path)!r}, "k", {{"i": i}}, {{"a": np.full(400_000, i, np.float64)}})
    print(i, flush=True)
"""
    halfway = 0
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.1))
            process.kill()
            told = [0, *map(int, process.stdout.read().split())]
        found = container.read(path, ("k",))
        assert np.all(found.tensors["a"] == found.content["i"])
        assert found.content["i"] - max(told) in (0, 1)
        halfway += len(leftovers(path))
        atomic.remove_leftovers(path)
        assert leftovers(path) == []
    if not halfway:
        pytest.skip("every kill fell between two writes")


def test_import_loads_nothing_optional():
    code = "import sys, xpnn.files; print({'safetensors', 'onnx', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
