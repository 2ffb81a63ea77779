"""Hostile recipes, links, settings, requests, archives and texts."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import zipfile
from typing import Any

from tests.hostile.mutations import VALUES, as_bytes, share
from tests.hostile.seeds import LINK, project
from tests.test_hostile_recipes import HOSTILE as RECIPES

Inputs = dict[str, bytes]
MEGABYTE = 1 << 20
LONG = "x" * 5000


def recipes() -> Inputs:
    found = {name: text.encode("utf-8", errors="surrogatepass") for name, text in RECIPES.items()}
    found |= {
        f"expression {one}": f"steps: [{{quantize: {{bits: 4}}, layers: '{one}'}}]".encode()
        for one in (
            "(a*)*b",
            "(?P<a>.)(?P=a)",
            "[[:alpha:]",
            "(?i)" * 1000,
            "\\\\C",
            "\\\\pN{1000}",
            "(" * 1000,
            "a|" * 9000,
            "(?:" * 900,
        )
    }
    found |= {f"value {number}": as_bytes({"steps": [{"quantize": value}]}) for number, value in enumerate(VALUES)}
    found |= {
        f"bits {number}": as_bytes({"steps": [{"quantize": {"bits": value}}]}) for number, value in enumerate(VALUES)
    }
    found |= {
        "not UTF-8": b"steps: \xff\xfe\xc3\x28",
        "UTF-16": "steps: []".encode("utf-16"),
        "bell": b"steps: \x07",
        "tags": b"!<" + b"a" * 100_000 + b"> x",
        "anchors": b"&" + b"a" * 100_000 + b" x",
        "keys": b"? " * 50_000,
        "folded": b"a: >" + b"\n  x" * 100_000,
        "a comment a line": b"#\n" * 400_000,
        "directives": b"%YAML 9.9\n---\n",
        "llm-compressor without end": b"quant_stage: {quant_modifiers: " + b"{a: " * 400 + b"1" + b"}" * 401 + b"}",
        "llm-compressor of numbers": as_bytes(
            {"quant_stage": {"quant_modifiers": {"GPTQModifier": {"config_groups": 7}}}}
        ),
        "quantize_config of lists": as_bytes({"bits": [4], "group_size": {}, "quant_method": ["gptq"]}),
        "quantize_config of floats": as_bytes({"bits": 4.5, "group_size": 1e400, "quant_method": "gptq"}),
        "a key twice": b"steps: [{quantize: {bits: 4, bits: 2}}]",
        "a merge key": b"steps: [{<<: {quantize: {}}}]",
        "a tag of Python": b"!!python/object/apply:os.system ['x']",
        "a long method": as_bytes({"steps": [{"quantize": {"method": LONG}}]}),
        "a long name": as_bytes({"steps": [{"quantize": {LONG: 1}}]}),
        "long layers": as_bytes({"steps": [{"quantize": {}, "layers": f"({LONG}"}]}),
        "a long format": as_bytes({"quant_method": LONG, "bits": 4, "group_size": 128}),
        "two documents": b"steps: []\n---\nsteps: []",
        "steps in steps": as_bytes({"steps": [{"steps": [{"steps": []}]}]}),
    }
    return found


def links() -> Inputs:
    changed: dict[str, Any] = {
        f"{key} {number}": LINK | {key: value}
        for key in ("recipe", "tokens", "model", "dtype")
        for number, value in enumerate(VALUES)
    }
    changed |= {
        "unknown keys": {f"k{number}": "v" for number in range(5000)},
        "nested recipe": LINK | {"recipe": "[" * 19_999},
        "a key twice": LINK | {"recipe": '[{"quantize": {"bits": 4, "bits": 3}}]'},
        "NaN": LINK | {"recipe": '[{"prune": {"sparsity": NaN}}]'},
        "half a pair": LINK | {"recipe": '[{"quantize": {"method": "\\ud800"}}]'},
        "a group of a long name": LINK | {"recipe": json.dumps([{"quantize": {}, "layers": f"(?P<{LONG}>x)"}])},
        "digits": LINK | {"seed": "9" * 4096},
        "Arabic digits": LINK | {"tokens": "\u0661\u0662\u0663"},
        "markup": LINK | {"text": "<script>alert(1)</script>"},
        "path": LINK | {"text": "../" * 1000},
        "format": LINK | {"text": "{0.__class__}{name!r:>999999999}"},
        "NUL": LINK | {"model": "\0"},
    }
    return {name: as_bytes(value) for name, value in changed.items()}


def protocols() -> Inputs:
    keys = ("text", "tokens", "context", "dtype", "seed", "stop_below_percent")
    found = {
        f"{key} {number}": as_bytes({key: value}) for turn, key in enumerate(keys) for number, value in share(turn, 2)
    }
    return found | {"a list": b"[]", "a number": b"3", "unknown": b'{"__class__": 1}'}


def requests() -> Inputs:
    hosts = [
        b"evil.example",
        b"localhost.evil.example",
        b"localhost@evil.example",
        b"[::1",
        b"[::1]:99999999",
        b"localhost:-1",
        b"localhost:\xff",
        b"\xff\xfe",
        b"a" * 100_000,
        b"127.0.0.1.nip.io",
        b"LOCALHOST.",
        b"localhost#x",
        b"localhost/x",
        b"[" * 5000,
        b"[v1.x]",
        b"xn--" + b"a" * 500,
        b"localhost:\xd9\xa1",
        b"%00",
        b"\0",
        b"0x7f.1",
        b"[::ffff:1.2.3.4]",
    ]
    found = {f"host {host[:30]!r}": b"host: " + host for host in hosts}
    found |= {f"origin {host[:30]!r}": b"host: localhost\norigin: http://" + host for host in hosts}
    return found | {
        "no host": b"a: b",
        "two hosts": b"host: localhost\nhost: evil.example",
        "nothing": b"",
        "cookies": b"host: localhost\ncookie: " + b"a=b; " * 50_000,
    }


def texts() -> Inputs:
    bomb = gzip.compress(b"\0" * (200 * MEGABYTE), 9)
    row = '{"messages": [{"role": "user", "content": "x"}]}'
    found: dict[str, tuple[str, bytes]] = {
        "empty": ("a.txt", b""),
        "NUL": ("a.txt", b"a\0b"),
        "not UTF-8": ("a.txt", b"\xff\xfe\xff" * 99),
        "half a pair in UTF-16": ("a.txt", b"\xff\xfe\x00\xd8a\x00"),
        "odd UTF-16": ("a.txt", b"\xff\xfea"),
        "UTF-32 beyond Unicode": ("a.txt", b"\xff\xfe\0\0\xff\xff\xff\xff"),
        "spaces": ("a.txt", b" \n" * 10_000),
        "gzip bomb": ("a.txt.gz", bomb),
        "bz2 bomb": ("a.txt.bz2", bz2.compress(b"\0" * (120 * MEGABYTE))),
        "xz bomb": ("a.txt.xz", lzma.compress(b"a" * (120 * MEGABYTE), preset=0)),
        "cut gzip": ("a.txt.gz", bomb[:100]),
        "no gzip": ("a.txt.gz", b"hello"),
        "no zst": ("a.txt.zst", b"hello"),
        "no xz": ("a.txt.xz", b"hello"),
        "gzip in gzip": ("a.txt.gz", gzip.compress(bomb)),
        "pickle": ("a.txt", b"\x80\x04K\x01."),
        "JSON in depth": ("a.json", b"[" * 1_000_000),
        "objects in depth": ("a.json", b'{"a":' * 200_000),
        "digits": ("a.json", b"[" + b"9" * 1_000_000 + b"]"),
        "a number": ("a.json", b"3"),
        "null": ("a.json", b"null"),
        "lists": ("a.json", b"[" + b"[]," * 3_000_000 + b"[]]"),
        "numbers for texts": ("a.jsonl", b'{"text": 3}\n' * 9),
        "half a pair": ("a.jsonl", b'{"text": "\\ud800"}\n'),
        "no column": ("a.jsonl", b'{"x": "y"}\n'),
        "a line cut": ("a.jsonl", b'{"text": "a"}\n{"text": "b'),
        "lists for texts": ("a.jsonl", b'{"text": ["a", 3]}\n'),
        "columns by thousand": ("a.jsonl", as_bytes({f"c{i}": "x" for i in range(5000)})),
        "messages of nothing": ("a.jsonl", b'{"messages": []}\n{"messages": [{}]}\n{"messages": 3}\n'),
        "messages of numbers": ("a.jsonl", b'{"messages": [{"role": 3, "content": [1]}]}\n'),
        "a conversation": ("a.jsonl", row.encode()),
        "no Parquet": ("a.parquet", b"PAR1" + b"\xff" * 100 + b"PAR1"),
        "Parquet of nothing": ("a.parquet", b"PAR1"),
        "CSV of quotes": ("a.csv", b'text\n"' + b'""' * 500_000),
        "CSV of commas": ("a.csv", b"text" + b"," * 500_000 + b"\nx"),
        "CSV of a cell": ("a.csv", b"text\n" + b"x" * MEGABYTE),
        "CSV of NUL": ("a.csv", b"text\n\0\n"),
        "one line": ("a.txt", b"x" * (20 * MEGABYTE)),
        "copies": ("a.jsonl", b'{"text": "the same again and again"}\n' * 20_000),
        "near copies": ("a.jsonl", b"".join(b'{"text": "the same again and again %d"}\n' % i for i in range(5000))),
        "carriage returns": ("a.txt", b"a\r" * 500_000),
        "joined marks": ("a.txt", "e\u0301".encode() + "\u0301".encode() * MEGABYTE),
    }
    return {name: file.encode() + b"\n" + data for name, (file, data) in found.items()}


def _zip(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return buffer.getvalue()


def _project(runs: bytes, recipes: bytes = b"", **changes: Any) -> bytes:
    files = {
        name: {"sha256": hashlib.sha256(data).hexdigest()}
        for name, data in (("runs.jsonl", runs), ("recipes.jsonl", recipes))
    }
    manifest = {"format": "optlab-project", "version": 1, "files": files} | changes
    return _zip(manifest__json=json.dumps(manifest).encode(), runs__jsonl=runs, recipes__jsonl=recipes)


def projects() -> Inputs:
    good = project()
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        (line,) = archive.read("runs.jsonl").splitlines()
    run = json.loads(line)
    found = {
        "nothing": b"",
        "no zip": b"PK\x03\x04" + b"\xff" * 100,
        "cut": good[:-30],
        "only an end": good[-22:],
        "a bomb": _project(b" " * (300 * MEGABYTE)),
        "lines by the million": _project(b"\n" * 5_000_000),
        "no JSON": _project(b"{"),
        "depth": _project(b"[" * 500_000),
        "a list": _project(b"[]"),
        "twice": _project(line + b"\n" + line),
        "twenty thousand times": _project(b"\n".join([line] * 20_000)),
        "a long kind": _project(as_bytes({**run, "kind": LONG})),
        "a long format": _project(b"", format=LONG),
        "a title in depth": _project(as_bytes({**run, "title": '{"template":"x","values":{"a":' + "[" * 100_000})),
        "path": _zip(**{"../../evil": b"x"}),
        "another member": _zip(manifest__json=b"{}", evil__py=b""),
        "manifest of lists": _zip(manifest__json=b"[]", runs__jsonl=b"", recipes__jsonl=b""),
        "another version": _project(b"", version=10**400),
        "no sums": _project(b"", files=[]),
        "not UTF-8": _project(b"\xff"),
        "recipes of numbers": _project(b"", b"3\nnull\n[]\n{}\n"),
        "recipe in depth": _project(b"", b'{"recipe":' * 900 + b"1" + b"}" * 900),
        "digits": _project(b"9" * 1_000_000),
        "encrypted": good.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"),
    }
    for turn, key in enumerate(run):
        for number, value in share(turn, 2):
            found[f"{key} {number}"] = _project(as_bytes({**run, key: value}))
    return found
