"""The contract comes back exactly, and every way it can be wrong is refused with its reason."""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from published_tokenizers import llama2, llama3, qwen
from surefoot import aggregate
from surefoot.errors import ContractError, StorageError
from surefoot.models.calibration import Calibration
from surefoot.models.contract import Contract, Reading
from surefoot.models.render import Renderer, check_tokenizer, probe_of
from surefoot.models.template import Template
from surefoot.traces.layout import Layout

GOOD = {
    "version": 3,
    "template": {
        "prompt": "{problem}{cut}\n{cut}",
        "step": "{step}{cut}\n{slot}{cut}",
        "between": "",
        "past": None,
        "second": None,
        "end": "",
        "replace": [],
        "strip": False,
        "no_reference": "",
    },
    "reading": {
        "head": "layers",
        "layers": ["score"],
        "tokens": [],
        "first_token": False,
        "link": "softmax",
        "classes": 2,
        "good": [1],
        "coefficient": 1.0,
        "shift": 0,
        "rejected": None,
    },
    "meaning": "step-correct",
    "aggregate": "min",
    "threshold": 0.5,
    "calibration": None,
    "max_tokens": 64,
    "pinned": {"\n": [5]},
    "probe": None,
    "reference": None,
}

PLATT = {"kind": "temperature", "temperature": 1.5, "bias": -0.25, "x": [], "y": []}

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}"), max_size=5)
solid = texts.filter(bool)
templates = st.builds(
    Template,
    prompt=texts.map("{{problem}}{0}{{user}}".format),
    step=texts.map("{{step}}{0}{{slot}}{{cut}}".format),
    between=texts,
    past=st.none() | texts.map("{{numbered}}{}".format),
    end=texts,
    replace=st.lists(st.tuples(solid, texts), max_size=2),
    strip=st.booleans(),
    no_reference=texts,
)
shared = {"shift": st.integers(-3, 3), "coefficient": st.floats(0.001, 10)}
names = st.lists(solid, min_size=1, max_size=3)
readings = st.one_of(
    st.integers(2, 5).flatmap(
        lambda classes: st.builds(
            Reading,
            layers=names,
            classes=st.just(classes),
            good=st.lists(
                st.integers(0, classes - 1), min_size=1, max_size=classes - 1, unique=True
            ),
            **shared,
        )
    ),
    st.builds(
        Reading,
        layers=names,
        link=st.sampled_from(["sigmoid", "raw"]),
        classes=st.just(1),
        **shared,
    ),
    st.builds(Reading, layers=names, link=st.just("difference"), **shared),
    st.builds(
        Reading,
        head=st.just("tokens"),
        tokens=st.tuples(solid, solid),
        first_token=st.booleans(),
        link=st.sampled_from(["softmax", "difference"]),
    ),
    st.builds(
        Reading,
        head=st.just("vocabulary-mean"),
        link=st.sampled_from(["sigmoid", "raw"]),
        classes=st.just(1),
    ),
    st.builds(Reading, head=st.just("token-log-ratio"), link=st.just("log-ratio"), **shared),
)
contracts = st.builds(
    Contract,
    template=templates,
    reading=readings,
    meaning=st.sampled_from(["step-correct", "prefix-correct", "value", "progress"]),
    aggregate=st.sampled_from(sorted({*aggregate.RULES} - {"product", "geometric", "nll"})),
    threshold=st.floats(0, 1),
    max_tokens=st.integers(1, 10**6),
    pinned=st.dictionaries(solid, st.lists(st.integers(0, 10**6), max_size=3), max_size=2),
    probe=st.none() | texts,
)
knots = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=4, unique=True).map(sorted)
calibrations = st.builds(
    Calibration, temperature=st.floats(1e-3, 1e3), bias=st.floats(-10, 10)
) | st.tuples(knots, knots).map(
    lambda pair: Calibration(kind="isotonic", x=pair[0][: len(pair[1])], y=pair[1][: len(pair[0])])
)
two_passes = Contract(
    template=Template(
        past="{step}", step="{step}{slot}a{slot}b", second="{step}{sign}{sign}{slot}c"
    ),
    reading=Reading(head="tokens", tokens=("-", "+"), rejected=-1),
)


@given(contract=contracts, calibration=st.none() | calibrations)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_it_comes_back_exactly(tmp_path, contract, calibration):
    if contract.kind in ("probability", "value"):
        contract = replace(contract, calibration=calibration)
    if contract.kind == "log-ratio":
        contract = replace(contract, reference="base")
    contract.save(tmp_path)
    assert Contract.load(tmp_path) == contract


def test_two_passes_come_back_exactly(tmp_path):
    two_passes.save(tmp_path)
    assert Contract.load(tmp_path) == two_passes


def test_the_file_is_plain_json(tmp_path):
    Contract(pinned={"\n": (5,)}, max_tokens=64).save(tmp_path)
    assert json.loads((tmp_path / "contract.json").read_text()) == GOOD


def changed(where, value):
    values = json.loads(json.dumps(GOOD))
    *path, last = where.split(".")
    inner = values
    for name in path:
        inner = inner[name]
    inner[last] = value
    return values


@pytest.mark.parametrize(
    ("where", "value", "reason"),
    [
        ("version", 1, "version 1, this surefoot reads 3; write it anew"),
        ("version", 2, 'version 2, this surefoot reads 3; put "calibration": null and "reference"'),
        ("version", 4, "version 4, this surefoot reads 3; upgrade surefoot"),
        ("version", None, "a contract of version None"),
        ("version", [2], r"a contract of version \[2\]"),
        ("calibration", 1.3, "calibration is 1.3; it must be an object"),
        ("calibration", {"kind": "isotonic"}, r"missing fields: calibration\.bias, calibration\.t"),
        ("calibration", {**PLATT, "slope": 1}, r"unknown fields: calibration\.slope"),
        ("calibration", {**PLATT, "temperature": 0}, r"calibration\.temperature is 0; .* positive"),
        ("slots", "end", "unknown fields: slots; upgrade"),
        ("template.chat", True, r"unknown fields: template\.chat"),
        ("reading.temperature", 1, r"unknown fields: reading\.temperature"),
        ("template", "plain", "template is 'plain'; it must be an object"),
        ("reading", None, "reading is None; it must be an object"),
        ("template.prompt", 3, r"template\.prompt is 3"),
        ("template.step", "{step}", r"template\.step has 0 of \{slot\}"),
        ("template.replace", None, r"template\.replace is None; give pairs"),
        ("template.replace", [["a", "b", "c"]], r"template\.replace holds \['a', 'b', 'c'\]"),
        ("reading.head", "mlp", r"reading\.head is 'mlp'; it must be one of layers, tokens"),
        ("reading.head", ["layers"], r"reading\.head is \['layers'\]"),
        ("reading.link", "raw", r"reading\.classes is 2; raw reads 1"),
        ("reading.link", "log-ratio", r"reading\.link is 'log-ratio'; it must be one of softmax"),
        ("reading.layers", "score", r"reading\.layers is 'score'; it must be a list"),
        ("reading.layers", [], r"reading\.layers is \[\]; name at least one layer"),
        ("reading.layers", ["score", 3], r"reading\.layers is \['score', 3\]"),
        ("reading.tokens", ["-", "+"], r"reading\.tokens means nothing to the head 'layers'"),
        ("reading.tokens", 3, r"reading\.tokens is 3; it must be a list"),
        ("reading.first_token", 1, r"reading\.first_token is 1; it must be true or false"),
        ("reading.classes", 1, r"reading\.classes is 1; softmax reads 2 or more"),
        ("reading.classes", True, r"reading\.classes is True"),
        ("reading.classes", 2.0, r"reading\.classes is 2\.0"),
        ("reading.good", [], r"reading\.good is \[\]; name some of the classes 0 to 1"),
        ("reading.good", [0, 1], r"reading\.good is \[0, 1\]; .* and not all"),
        ("reading.good", [1, 1], r"reading\.good is \[1, 1\]"),
        ("reading.good", [2], r"reading\.good is \[2\]"),
        ("reading.good", [-1], r"reading\.good is \[-1\]"),
        ("reading.good", None, r"reading\.good is None; it must be a list"),
        ("reading.coefficient", 0, r"reading\.coefficient is 0, so that every score would be"),
        ("reading.coefficient", "1", r"reading\.coefficient is '1'; it must be a number"),
        ("reading.shift", 0.5, r"reading\.shift is 0\.5; it must be a whole number"),
        ("reading.rejected", -1, r"reading\.rejected needs a second pass"),
        ("reading.rejected", "no", r"reading\.rejected is 'no'; it must be a number"),
        ("meaning", "good", "meaning is 'good'; it must be one of step-correct"),
        ("aggregate", "median", "aggregate: .*median"),
        ("aggregate", ["min"], r"aggregate is \['min'\]; it must be text"),
        ("threshold", 1.5, r"threshold is 1\.5; a probability"),
        ("threshold", "0.5", "threshold is '0.5'; it must be a number"),
        ("threshold", True, "threshold is True"),
        ("threshold", float("nan"), "threshold is nan"),
        ("max_tokens", 0, "max_tokens is 0"),
        ("max_tokens", 2.5, r"max_tokens is 2\.5"),
        ("pinned", [5], r"pinned is \[5\]; it must map texts to token ids"),
        ("pinned", {"a": 5}, r"pinned\['a'\] is 5; it must list token ids"),
        ("pinned", {"a": [-1]}, r"pinned\['a'\] is \[-1\]; it must list token ids"),
        ("pinned", {"a": ["5"]}, r"pinned\['a'\] is \['5'\]"),
        ("probe", 7, "probe is 7; it must be text or null"),
        ("reference", "base", "reference is 'base'; it is the model of a log-ratio"),
    ],
)
def test_a_wrong_field_is_refused(tmp_path, where, value, reason):
    (tmp_path / "contract.json").write_text(json.dumps(changed(where, value)))
    with pytest.raises(ContractError, match=reason) as caught:
        Contract.load(tmp_path)
    assert "contract.json" in str(caught.value)


def test_a_contract_of_version_2_is_brought_up_as_its_error_says(tmp_path):
    new = {"calibration": None, "reference": None}
    values = {name: value for name, value in GOOD.items() if name not in new}
    (tmp_path / "contract.json").write_text(json.dumps({**values, "version": 2}))
    with pytest.raises(ContractError, match=r"version 2.*nothing else has changed"):
        Contract.load(tmp_path)
    (tmp_path / "contract.json").write_text(json.dumps({**values, **new, "version": 3}))
    assert Contract.load(tmp_path) == Contract(pinned={"\n": (5,)}, max_tokens=64)


@pytest.mark.parametrize(
    "where",
    [name for name in GOOD if name != "version"]
    + [f"{part}.{name}" for part in ("template", "reading") for name in GOOD[part]],
)
def test_a_missing_field_is_refused(tmp_path, where):
    values = changed(where, None)
    part, _, name = where.rpartition(".")
    del (values[part] if part else values)[name]
    (tmp_path / "contract.json").write_text(json.dumps(values))
    with pytest.raises(ContractError, match=f"missing fields: {where}"):
        Contract.load(tmp_path)


def test_a_profile_need_not_name_every_field():
    contract = Contract.from_json({"reading": {"link": "difference"}, "threshold": 0})
    assert contract == Contract(reading=Reading(link="difference"), threshold=0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"[]", "not a contract: it names no version"),
        (b"{}", "not a contract: it names no version"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, content, reason):
    (tmp_path / "contract.json").write_bytes(content)
    with pytest.raises(ContractError, match=reason):
        Contract.load(tmp_path)


def test_a_missing_file_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(ContractError, match=r"has no contract\.json.*train with surefoot"):
        Contract.load(tmp_path)


def test_a_folder_that_is_not_there_cannot_be_written(tmp_path):
    with pytest.raises(StorageError, match=r"contract\.json: cannot write it"):
        Contract().save(tmp_path / "none")


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        ({"tokens": ["+"]}, r"reading\.tokens is \['\+'\]; give the bad and the good token"),
        ({"tokens": ["-", ""]}, r"reading\.tokens is \['-', ''\]"),
        ({"tokens": ["-", "+"], "classes": 3}, "are two classes, of which class 1 is the good"),
        ({"tokens": ["-", "+"], "good": [0]}, "are two classes, of which class 1 is the good"),
        ({"tokens": ["-", "+"], "link": "sigmoid"}, r"reading\.link is 'sigmoid'"),
    ],
)
def test_two_tokens_are_two_classes(reading, reason):
    with pytest.raises(ContractError, match=reason):
        Reading(head="tokens", **reading)


def test_a_difference_is_of_two_classes():
    with pytest.raises(ContractError, match=r"reading\.classes is 3; difference reads 2"):
        Reading(link="difference", classes=3)


def test_a_second_pass_shows_tokens():
    template = Template(past="{step}", step="{step}{slot}", second="{step}{sign}{slot}")
    with pytest.raises(ContractError, match=r"reading\.head must be 'tokens'"):
        Contract(template=template)


KINDS = {
    ("softmax", "step-correct"): "probability",
    ("softmax", "prefix-correct"): "probability",
    ("softmax", "value"): "value",
    ("softmax", "progress"): "progress",
    ("sigmoid", "step-correct"): "probability",
    ("sigmoid", "value"): "value",
    ("difference", "step-correct"): "reward",
    ("difference", "value"): "reward",
    ("difference", "progress"): "progress",
    ("raw", "step-correct"): "reward",
    ("raw", "value"): "reward",
    ("log-ratio", "value"): "log-ratio",
    ("log-ratio", "prefix-correct"): "log-ratio",
}


def reading_with(link):
    if link == "log-ratio":
        return Reading(head="token-log-ratio", link=link)
    return Reading(link=link, classes=1 if link in ("sigmoid", "raw") else 2)


@pytest.mark.parametrize(("link", "meaning"), KINDS)
def test_scores_are_called_what_they_are(link, meaning):
    assert Contract(reading=reading_with(link), meaning=meaning).kind == KINDS[link, meaning]


@pytest.mark.parametrize("rule", ["product", "geometric", "nll"])
@pytest.mark.parametrize("link", ["difference", "raw", "log-ratio"])
def test_what_is_no_probability_is_not_multiplied(rule, link):
    with pytest.raises(ContractError, match=f"aggregate is '{rule}', which is for probabilities"):
        Contract(reading=reading_with(link), aggregate=rule)
    assert Contract(reading=reading_with("sigmoid"), aggregate=rule).aggregate == rule


def test_a_rejected_step_makes_a_probability_a_reward():
    assert two_passes.kind == "reward"
    inside = Reading(head="tokens", tokens=("-", "+"), rejected=0)
    assert Contract(template=two_passes.template, reading=inside).kind == "probability"


@pytest.mark.parametrize(("link", "meaning"), KINDS)
def test_only_probabilities_are_calibrated(link, meaning):
    contract = Contract(reading=reading_with(link), meaning=meaning)
    kind = KINDS[link, meaning]
    if kind in ("probability", "value"):
        assert replace(contract, calibration=Calibration(temperature=2)).calibration is not None
        return
    with pytest.raises(ContractError, match=f"calibration: these scores are {kind}s and no prob"):
        replace(contract, calibration=Calibration(temperature=2))


def test_what_is_no_calibration_is_refused():
    with pytest.raises(ContractError, match=r"calibration is \{.*; give a Calibration"):
        Contract(calibration=PLATT)


def test_a_threshold_outside_0_and_1_is_for_rewards():
    assert Contract(reading=reading_with("raw"), threshold=-3).threshold == -3


def test_a_layout_pins_the_ids_of_its_tokenizer(small_tokenizer):
    layout = Layout(step_end="1\n")
    contract = Contract.for_layout(small_tokenizer, layout, max_tokens=64, meaning="value")
    assert small_tokenizer.convert_ids_to_tokens(contract.pinned["1\n"]) == ["1", "Ċ"]
    assert (contract.meaning, contract.max_tokens) == ("value", 64)
    renderer = Renderer(contract.template, small_tokenizer)
    check_tokenizer(contract, renderer)


def test_another_tokenizer_is_refused_with_both_sides_named():
    contract = Contract(pinned={"<extra_0>": (1, 2)})
    with pytest.raises(
        ContractError, match=r"writes '<extra_0>' as \[3\], the contract says \[1, 2\]; use the"
    ):
        check_tokenizer(contract, Renderer(contract.template, qwen()))
    assert qwen().convert_tokens_to_ids("<extra_0>") == 3


def test_a_probe_tells_tokenizers_apart(small_tokenizer):
    probes = [probe_of(one) for one in (small_tokenizer, qwen(), llama2(), llama3())]
    assert len({*probes}) == 4
    assert probe_of(qwen()) == probes[1]
    contract = Contract(probe=probes[0])
    with pytest.raises(ContractError, match="cuts text otherwise than the contract's"):
        check_tokenizer(contract, Renderer(contract.template, qwen()))
    check_tokenizer(contract, Renderer(contract.template, small_tokenizer))
