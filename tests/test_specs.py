"""What one run is: specs come back as they went, keys see all that matters and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.seeding import MOVED
from harness.specs import CorpusSpec, PluginSpec, RunSpec, TextSpec, Training, VectorsSpec, cell_of, key_of

SPEC = RunSpec(
    corpus=CorpusSpec("kbp37", "0123456789abcdef", "paper", 0, "drop", sample=9150),
    vectors=VectorsSpec("glove.txt", "fedcba9876543210", "hash"),
    text=None,
    encoder=PluginSpec("bilstm", {"hidden": 200, "cell": "torch"}),
    strategy=PluginSpec("avg-embed", {}),
    training=Training(features=("lexical", "collocations"), standardise=False),
    size=200,
    replicate=3,
)

names = st.text("abcdef-", min_size=1, max_size=8)
plain = (
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | names
)
plugins = st.builds(PluginSpec, names, st.dictionaries(names, plain | st.lists(names, max_size=2), max_size=3))
specs = st.builds(
    RunSpec,
    corpus=st.builds(
        CorpusSpec,
        name=names,
        digest=names,
        split=st.sampled_from(["official", "paper"]),
        split_seed=st.integers(0, 9),
        negative=st.none() | st.sampled_from(["keep", "drop"]),
        sample=st.none() | st.integers(1, 9999),
        parses=st.none() | names,
    ),
    vectors=st.none() | st.builds(VectorsSpec, names, names, st.sampled_from(["hash", "zero"])),
    text=st.none()
    | st.builds(
        TextSpec,
        name=names,
        digest=names,
        selection=st.sampled_from(["random", "whole", "target-pairs", "target-train"]),
        distance=st.integers(0, 30),
        sentences=st.none() | st.integers(1, 9999),
        evaluation_text=st.none() | st.booleans(),
        parses=st.none() | names,
        names=st.none() | names,
        reader=st.none() | names,
        parameters=st.none() | st.dictionaries(names, plain, min_size=1, max_size=3),
    ),
    encoder=plugins,
    strategy=plugins,
    training=st.builds(
        Training,
        features=st.lists(names, max_size=2).map(tuple),
        standardise=st.none() | st.booleans(),
        learning_rate=st.floats(1e-6, 10),
        dev_size=st.none() | st.integers(1, 100),
    ),
    size=st.integers(1, 9999),
    replicate=st.integers(0, 9),
    vary=st.lists(st.sampled_from(MOVED), unique=True).map(tuple),
    crossed=st.none() | st.integers(2, 5),
    save_hidden=st.booleans(),
    tuning=st.booleans(),
)
json_values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=10
)


# Round trip


@given(specs)
def test_a_spec_comes_back_from_a_record_as_it_went(spec: RunSpec) -> None:
    recorded = json.loads(json.dumps(spec.as_dict()))
    assert recorded == spec.as_dict()
    again = RunSpec.from_dict(recorded)
    assert again == spec
    assert (again.key, again.cell) == (spec.key, spec.cell)


def test_tuples_in_parameters_count_as_lists() -> None:
    one, two = (
        dataclasses.replace(SPEC, encoder=PluginSpec("pcnn", {"windows": windows})) for windows in ((3, 5), [3, 5])
    )  # fmt: skip
    assert one.key == two.key
    assert RunSpec.from_dict(one.as_dict()).key == one.key


# Keys


CANONICAL = (
    '{"corpus":{"digest":"0123456789abcdef","name":"kbp37","negative":"drop","sample":9150,"split":"paper",'
    '"split_seed":0},"encoder":{"name":"bilstm","parameters":{"cell":"torch","hidden":200}},"replicate":3,"size":200,'
    '"strategy":{"name":"avg-embed","parameters":{}},"training":{"batch_size":32,"dev_points":10,"epochs":12,'
    '"epsilon":1e-10,"features":["lexical","collocations"],"initial_accumulator":0.0,"l2":1e-05,"learning_rate":0.05,'
    '"max_updates":4000,"min_updates":150,"standardise":false},"vary":["sample","subset","initialisation","order"],'
    '"vectors":{"digest":"fedcba9876543210","name":"glove.txt","unknown":"hash"}}'
)


def test_keys_do_not_change_by_accident() -> None:
    """Whoever has to change these literals makes every record unfindable, for records are looked up by their key."""
    assert SPEC.key == hashlib.sha256(CANONICAL.encode()).hexdigest()
    assert SPEC.key == "c7908dddca129473c377af8fff54aebd12f367ad08b58021e6adb1924a3a7420"
    assert SPEC.cell == hashlib.sha256(CANONICAL.replace('"replicate":3,', "").encode()).hexdigest()[:16]
    assert SPEC.cell == "a5458d69b94da14c"


@given(st.dictionaries(names, json_values, min_size=2, max_size=5), st.randoms())
def test_the_order_of_fields_does_not_enter_a_key(fields: dict[str, Any], random: Any) -> None:
    shuffled = list(fields.items())
    random.shuffle(shuffled)
    assert key_of(dict(shuffled)) == key_of(fields)


@given(st.dictionaries(names, json_values, max_size=4), names, st.data())
def test_a_new_field_that_is_null_changes_no_key(fields: dict[str, Any], name: str, data: st.DataObject) -> None:
    fields = {key: value for key, value in fields.items() if key != name}
    assert key_of(fields | {name: None}) == key_of(fields)
    for key, value in fields.items():
        if isinstance(value, dict) and name not in value:
            assert key_of(fields | {key: value | {name: None}}) == key_of(fields)


def test_a_new_field_of_any_part_of_a_spec_that_is_null_changes_no_key() -> None:
    later = SPEC.as_dict()
    later["tuned"] = None
    for part in ("corpus", "vectors", "encoder", "strategy", "training"):
        later[part]["new"] = None
    later["encoder"]["parameters"]["new"] = None
    assert key_of(later) == SPEC.key
    assert cell_of(later) == SPEC.cell


CHANGES: dict[str, Any] = {
    "corpus": dataclasses.replace(SPEC.corpus, split_seed=1),
    "vectors": dataclasses.replace(SPEC.vectors, unknown="zero") if SPEC.vectors else None,
    "encoder": PluginSpec("bilstm", {"hidden": 100, "cell": "torch"}),
    "strategy": PluginSpec("none", {}),
    "training": dataclasses.replace(SPEC.training, l2=0.0),
    "text": TextSpec("enwik8", "0123", "whole", 20),
    "crossed": 5,
    "size": 201,
    "vary": ("subset",),
    "save_hidden": True,
    "tuning": True,
}


@pytest.mark.parametrize("field", CHANGES)
def test_every_field_but_the_replicate_is_in_key_and_cell(field: str) -> None:
    changed = dataclasses.replace(SPEC, **{field: CHANGES[field]})
    assert changed.key != SPEC.key
    assert changed.cell != SPEC.cell
    assert CHANGES.keys() | {"replicate"} == {field.name for field in dataclasses.fields(RunSpec)}


@given(specs, st.integers(0, 99))
def test_a_cell_ignores_the_replicate_alone(spec: RunSpec, replicate: int) -> None:
    other = dataclasses.replace(spec, replicate=replicate)
    assert other.cell == spec.cell
    assert (other.key == spec.key) == (replicate == spec.replicate)
    assert len(spec.cell) == 16
    assert len(spec.key) == 64


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_json_lacks_has_no_key(value: float) -> None:
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        key_of({"rate": value})


# Streams and updates


@pytest.mark.parametrize("crossed", [2, 3])
def test_crossed_replicates_meet_every_sample_with_every_initialisation(crossed: int) -> None:
    runs = [dataclasses.replace(SPEC, replicate=replicate, crossed=crossed) for replicate in range(4 * crossed)]
    met = [(spec.stream("sample"), spec.stream("initialisation")) for spec in runs]
    assert sorted(met) == [(sample, start) for sample in range(4) for start in range(crossed)]
    for spec in runs:
        assert spec.stream("subset") == spec.stream("order") == spec.stream("initialisation")


@pytest.mark.parametrize(
    ("selection", "evaluation_text", "label"),
    [
        ("random", None, "enwik8 (random)"),
        ("target-pairs", False, "enwik8 (target-pairs)"),
        ("target-pairs", True, "enwik8 (target-pairs, with evaluation text)"),
    ],
)
def test_a_text_in_the_words_of_a_table(selection: str, evaluation_text: bool | None, label: str) -> None:
    text = TextSpec("enwik8", "0", selection, 20, evaluation_text=evaluation_text)
    assert text.label == label
    assert text.reads_target == (selection != "random")


def test_a_stream_that_is_held_still_sees_replicate_zero() -> None:
    spec = dataclasses.replace(SPEC, vary=("subset", "order"))
    assert {name: spec.stream(name) for name in MOVED} == {"sample": 0, "subset": 3, "initialisation": 0, "order": 3}
    assert {SPEC.stream(name) for name in MOVED} == {3}


@pytest.mark.parametrize(
    ("size", "updates"), [(1, 150), (50, 150), (400, 150), (401, 150), (404, 152), (6405, 2402), (15_000, 4000)]
)
def test_updates_are_twelve_passes_within_bounds(size: int, updates: int) -> None:
    assert Training().updates(size) == updates


def test_specs_need_no_torch() -> None:
    subprocess.run([sys.executable, "-c", "import harness.specs, sys; assert 'torch' not in sys.modules"], check=True)
