"""Recipes that were written to hurt: each ends within moments, in one short sentence."""

import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.bounded_yaml import read_json, read_yaml
from optlab.errors import OptLabError, RecipeError
from optlab.layer_patterns import layer_pattern
from optlab.messages import LONGEST_SENTENCE as LONGEST_READ
from optlab.messages import LONGEST_VALUE, Message
from optlab.recipes import MOST_STEPS, Recipe, Step

NAME = "model.layers.0.self_attn.q_proj"
LONGEST_SENTENCE = 3 * LONGEST_VALUE
EXPONENTIAL = ["(([a-z.0-9_]+)+)+!", "(a|a)*$", "(.*)*x", "([a-z]+)*[a-z]+!", "(.|_|[a-z])*0!"]


@pytest.mark.parametrize("expression", EXPONENTIAL)
def test_expressions_that_hang_python_are_answered(expression: str) -> None:
    """Python's `re` needs years for the first; in a process of its own, so that a hang fails this test only."""
    step = "Step('quantize', 'rtn', {}, sys.argv[1])"
    code = f"import sys\nfrom optlab.recipes import Step\nprint({step}.matches(sys.argv[2]))"
    ended = subprocess.run(
        [sys.executable, "-c", code, expression, NAME * 20], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stdout.strip() in ("True", "False"), ended.stderr


@given(
    st.lists(
        st.sampled_from(["model", ".layers.", "0", "1", ".mlp", ".*", "[0-9]+", r"\.", "(up|down)", "_proj", "?", "$"])
    )
)
def test_expressions_mean_what_python_means(parts: list[str]) -> None:
    expression = "".join(parts)
    try:
        expected = re.compile(expression)
    except re.error:
        return  # RE2 reads some of these, such as "$?"
    try:
        found = layer_pattern(expression)
    except RecipeError:
        return  # repetitions of repetitions, which the two write differently
    for name in (NAME, "model.layers.11.mlp.up_proj", "model.layers.1.mlp.down_proj", "lm_head", ""):
        assert (found.match(name) is not None) == (expected.match(name) is not None)


def sentence(read: Callable[[], object]) -> str:
    """What the reader objects to; nothing where it reads. Any other exception is a failure."""
    try:
        read()
    except RecipeError as error:
        return str(error)
    return ""


def aliases(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines)


HOSTILE = {
    "aliases": aliases(9),
    "one alias": "a: &a {bits: 4}\nsteps: [{quantize: *a}]",
    "merge": "x: &x {bits: 4}\nsteps: [{quantize: {<<: *x}}]",
    "itself": "&a [*a]",
    "brackets": "[" * 100_000,
    "braces": "{a: " * 50_000,
    "steps": "steps: [" + "{quantize: {bits: 4}}, " * 30_000 + "]",
    "more steps than a recipe has": "steps: [" + "{quantize: {bits: 4}}, " * (MOST_STEPS + 1) + "]",
    "digits": "steps: [{quantize: {bits: " + "9" * 4000 + "}}]",
    "more digits": "steps: [{quantize: {bits: " + "9" * 6000 + "}}]",
    "a float of digits": "steps: [{prune: {sparsity: 0." + "9" * 90_000 + "e" + "9" * 5000 + "}}]",
    "sexagesimal": "steps: [{quantize: {bits: " + "1:" * 3000 + "1}}]",
    "repetition": "steps: [{quantize: {bits: 4}, layers: 'a{1001}'}]",
    "repeated repetition": "steps: [{quantize: {bits: 4}, layers: '((a{1000}){1000}){1000}'}]",
    "look-ahead": "steps: [{quantize: {bits: 4}, layers: '(?!lm_head).*'}]",
    "long expression": "steps: [{quantize: {bits: 4}, layers: '" + "a" * 200_000 + "'}]",
    "long method": "steps: [{quantize: {method: " + "a" * 500_000 + "}}]",
    "long parameter": "steps: [{quantize: {" + "a" * 900 + ": 4}}]",
    "long list": "steps: [{quantize: [" + "1, " * 90_000 + "]}]",
    "a date": "steps: [{quantize: {bits: 2026-11-27}}]",
    "an impossible date": "steps: [{quantize: {bits: 2026-99-99}}]",
    "binary": "steps: [{quantize: {bits: !!binary aGVsbG8=}}]",
    "bad binary": "steps: [{quantize: {bits: !!binary a}}]",
    "a set": "steps: !!set {a, b}",
    "pairs": "steps: [{quantize: !!pairs [a: 1, a: 2]}]",
    "a list as key": "? [a, b]\n: 1",
    "a mapping as key": "{{a: 1}: 2}",
    "python": "!!python/object/apply:os.system ['true']",
    "bad escape": 'steps: "\\UFFFFFFFF"',
    "lone surrogate": 'steps: [{"\\uD800": 1}]',
    "nul": "steps: \0",
    "two documents": "steps: []\n---\nsteps: []",
    "2 MB": "#" * (2 << 20),
    "null step": "steps: [null]",
    "number": "3",
    "infinite": "steps: [{quantize: {bits: .inf}}]",
    "not a number": "steps: [{prune: {sparsity: .nan}}]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_recipes_end_in_one_short_sentence(name: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_yaml(HOSTILE[name])
    assert 0 < len(str(caught.value)) < LONGEST_SENTENCE
    assert "\n" not in str(caught.value).strip()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_recipes_cost_little(name: str) -> None:
    """Counted in memory and time of the processor with room to spare: what they replace took gigabytes or for ever."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(RecipeError):
        Recipe.from_yaml(HOSTILE[name])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 << 10  # kB
    assert time.process_time() - began < 60


@given(st.text(alphabet="[]{}:,&*!|>-#'\"%@` \n\tab01.", max_size=60))
def test_any_text_is_a_recipe_or_a_sentence(text: str) -> None:
    assert len(sentence(lambda: Recipe.from_yaml(text))) < LONGEST_SENTENCE


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["steps", "quantize", "prune", "bits", "layers", "method", "x"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_recipe_or_a_sentence(data: object) -> None:
    for given_data in (data, {"steps": data}, {"steps": [data]}, {"steps": [{"quantize": data}]}):
        assert len(sentence(lambda given_data=given_data: Recipe.from_dict(given_data))) < LONGEST_SENTENCE


def test_layers_of_a_step_are_text() -> None:
    with pytest.raises(OptLabError):
        Step.from_dict({"quantize": {"bits": 4}, "layers": 4})


def test_large_recipes_of_large_models_are_read() -> None:
    steps = [{"quantize": {"bits": 4}, "layers": rf"model\.layers\.{i}\."} for i in range(MOST_STEPS)]
    recipe = Recipe.from_dict({"steps": steps})
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    assert json.loads(json.dumps(recipe.to_dict())) == recipe.to_dict()


def test_yaml_within_limits_is_what_the_safe_loader_reads() -> None:
    assert read_yaml("a: [1, 2.5, yes, null, 'x']") == {"a": [1, 2.5, True, None, "x"]}


def test_values_in_messages_are_cut() -> None:
    assert len(Message("no {name}", name="x" * 1_000_000)) < LONGEST_VALUE + 100
    assert len(Message("no {name!r}", name=list(range(1_000_000)))) < LONGEST_VALUE
    assert Message("no {name!r}", name=10**5000)
    assert Message("no {name!r}", name="abc") == "no 'abc'"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("steps: []\nsteps: []", "steps"),
        ("steps:\n- quantize: {bits: 4, method: rtn, bits: 2}", "bits"),
        ("steps:\n- quantize: {bits: 4}\n  quantize: {bits: 2}", "quantize"),
        ('{"steps": [{"quantize": {"bits": 4, "bits": 2}}]}', "bits"),
        ("steps:\n- ? bits\n  : 1\n  'bits': 2", "bits"),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_its_name(text: str, key: str) -> None:
    with pytest.raises(RecipeError, match=f"says '{key}' twice in one place, the second time in line [1-4]; keep one"):
        Recipe.from_yaml(text)


def test_equal_keys_in_different_places_and_keys_that_are_lists_are_no_trouble() -> None:
    assert read_yaml("a: {b: 1, c: [b, b]}\nb: {b: b}\nc: c") == {
        "a": {"b": 1, "c": ["b", "b"]},
        "b": {"b": "b"},
        "c": "c",
    }
    assert read_yaml("? (1, 2)\n: 1\n? b\n: {a: 1}\na: 2") == {"(1, 2)": 1, "b": {"a": 1}, "a": 2}
    assert read_json('{"a": {"b": 1}, "b": [{"b": 2}, {"b": 3}]}') == {"a": {"b": 1}, "b": [{"b": 2}, {"b": 3}]}


@given(st.lists(st.text(min_size=0, max_size=2000), min_size=1, max_size=4))
def test_values_make_no_sentence_longer_than_a_person_reads(values: list[str]) -> None:
    named = {f"value_{number}": value for number, value in enumerate(values)}
    message = Message(" and ".join(f"{{{name}}}" for name in named), **named)
    assert len(message) <= LONGEST_READ
    assert (
        all(message.values[name] == value for name, value in named.items()) or len(" and ".join(values)) > LONGEST_READ
    )
    assert Message(message.template, **message.values) == message
