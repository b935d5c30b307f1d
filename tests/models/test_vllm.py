"""vLLM's pooling API, spoken by a server that runs a real small model behind it as vLLM does."""

import json
from dataclasses import replace

import pytest
import torch

from json_server import Reply, serve
from surefoot.errors import ContractError, ModelError, UnscorableError, UsageError
from surefoot.models.calibration import Calibration
from surefoot.models.contract import Contract, Reading
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.http import Patience, Server
from surefoot.models.template import Template
from surefoot.models.vllm import VllmModel, served_model
from surefoot.traces.types import Step, StepScores, Trace

QUICK = Patience(timeout_s=20, num_retries=3, first_wait_s=0.01)
TAG = "<|im_end|>"
TAGGED = Template(prompt="{problem}\n", step="{step}" + TAG + "{slot}")
LINES = Template(prompt="{problem}{cut}\n{cut}", step="{step}{cut}\n{slot}{cut}")
TRACES = [
    Trace("Add 5 and 8.", ["5 + 8 = 13", "so the last digit is 3."]),
    Trace("Add 5 and 8.", [f"a {TAG} in the text\nand a line end", "é\U0001f600 ки <extra_0>"]),
    Trace("p", ["x"]),
    Trace("Count.", [f"{k} comes next" for k in range(17)]),
]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class Vllm:
    """What vLLM does with a /pooling request of the task token_classify.

    Args:
        logits: From token ids to a row of class logits for each token.
        tag: With STEP pooling, the step_tag_id that the server was started with.
        heeds: Whether it knows `use_activation`.
        cache: Tokens in a block of a prefix cache that keeps known blocks from being computed.
    """

    def __init__(self, logits, *, tag=None, heeds=True, cache=None, max_len=512, name="m"):
        self.logits, self.tag, self.heeds, self.cache = logits, tag, heeds, cache
        self.max_len, self.name = max_len, name
        self.seen = set()
        self.spoil = lambda answer: answer

    def __call__(self, request):
        if (request.method, request.path) == ("GET", "/v1/models"):
            card = {"id": self.name, "object": "model", "max_model_len": self.max_len}
            return {"object": "list", "data": [card]}
        if (request.method, request.path) != ("POST", "/pooling"):
            return Reply({"detail": "Not Found"}, 404)
        body = request.body
        assert (body["model"], body["task"], body["encoding_format"]) == (
            self.name,
            "token_classify",
            "float",
        )
        if any(len(ids) > self.max_len for ids in body["input"]):
            return Reply({"error": {"message": "maximum context length"}}, 400)
        softmax = body["use_activation"] or not self.heeds
        data = [
            {"index": i, "object": "pooling", "data": self.rows(ids, softmax)}
            for i, ids in enumerate(body["input"])
        ]
        read = sum(map(len, body["input"]))
        return self.spoil({"model": self.name, "data": data, "usage": {"prompt_tokens": read}})

    def rows(self, ids, softmax):
        rows = self.logits(ids)
        rows = torch.softmax(rows, -1) if softmax else rows
        kept = range(self._cached(ids), len(ids))
        return [rows[i].tolist() for i in kept if self.tag in (None, ids[i])]

    def _cached(self, ids):
        if self.cache is None:
            return 0
        blocks = [tuple(ids[:end]) for end in range(self.cache, len(ids), self.cache)]
        known = sum(1 for block in blocks if block in self.seen)
        self.seen.update(blocks)
        return known * self.cache


@pytest.fixture(scope="module")
def classifier(small_model):
    return small_model("qwen2", "scorer")


@pytest.fixture(scope="module")
def language_model(small_model):
    return small_model("llama", "causal", seed=1)


@torch.no_grad()
def class_logits(model, ids):
    return model(input_ids=torch.tensor([ids])).logits[0]


def served(model, **options):
    return Vllm(lambda ids: class_logits(model, ids), **options)


def contract(template=TAGGED, **reading):
    return Contract(template=template, reading=Reading(**reading), max_tokens=512)


def connect(there, agreed, tokenizer, **options):
    return VllmModel.connect(Server(there.url, patience=QUICK), agreed, tokenizer, **options)


def by_hand(trace, tokenizer, logits, end):
    """Log-odds at the last token of each step, from ids laid piece by piece."""
    plain = tokenizer.backend_tokenizer

    def ids_of(text):
        plain.encode_special_tokens = True
        ids = plain.encode(text, add_special_tokens=False).ids
        plain.encode_special_tokens = False
        return ids

    ids, places = ids_of(trace.problem) + ids_of("\n"), []
    for text in trace.texts:
        ids += [*ids_of(text), end]
        places.append(len(ids) - 1)
    rows = logits(ids)[places].double()
    return (rows[:, 1] - rows[:, 0]).tolist()


@pytest.mark.parametrize("numbers", ["probabilities", "logits"])
@pytest.mark.parametrize("pooling", ["step", "all"])
@pytest.mark.parametrize("kind", ["tag", "line end"])
def test_scores_are_those_of_a_plain_forward(classifier, small_tokenizer, numbers, pooling, kind):
    text, template = {"tag": (TAG, TAGGED), "line end": ("\n", LINES)}[kind]
    (end,) = small_tokenizer.encode(text, add_special_tokens=False)
    server = served(classifier, tag=end if pooling == "step" else None)
    with serve(server) as there:
        remote = connect(
            there, contract(template), small_tokenizer, pooling=pooling, numbers=numbers
        )
        found = remote.score(TRACES)
    for trace, scores in zip(TRACES, found, strict=True):
        odds = by_hand(trace, small_tokenizer, lambda ids: class_logits(classifier, ids), end)
        close = 2e-4 if numbers == "probabilities" else 1e-5
        assert scores.log_odds == pytest.approx(odds, abs=close)
        assert scores.values == pytest.approx(torch.tensor(odds).sigmoid().tolist(), abs=1e-5)
        assert (scores.model, scores.kind, scores.threshold) == ("m", "probability", 0.5)
    assert len({value for scores in found for value in scores.values}) == 22


@pytest.mark.parametrize("calibration", [None, Calibration(temperature=3, bias=-1)])
def test_scores_are_as_the_checkpoint_itself_gives_them(classifier, small_tokenizer, calibration):
    agreed = replace(contract(), calibration=calibration)
    at_home = DiscriminativeModel(classifier, small_tokenizer, agreed, name="home")
    known = [one.with_scores(at_home.score(one)) for one in TRACES]
    with serve(served(classifier)) as there:
        remote = connect(there, agreed, small_tokenizer, pooling="all")
        remote.prove(known, tolerance=1e-5)


def test_two_tokens_of_a_language_model(language_model, small_tokenizer):
    bad, good = (small_tokenizer.convert_tokens_to_ids(token) for token in "-+")

    def logits(ids):
        return class_logits(language_model, ids)[:, [bad, good]]

    (end,) = small_tokenizer.encode(TAG, add_special_tokens=False)
    agreed = contract(head="tokens", tokens=("-", "+"))
    with serve(Vllm(logits, tag=end)) as there:
        found = connect(there, agreed, small_tokenizer, numbers="logits").score(TRACES)
    for trace, scores in zip(TRACES, found, strict=True):
        assert scores.log_odds == pytest.approx(
            by_hand(trace, small_tokenizer, logits, end), abs=1e-5
        )


def test_a_score_before_an_answer(classifier, small_tokenizer):
    """The slot is at the colon, and the text holds colons of its own."""
    template = Template(prompt="{problem}\n", step="{step}{cut}:{slot}{cut}ok\n")
    (colon,) = small_tokenizer.encode(":", add_special_tokens=False)
    traces = [Trace("a: b", ["c: d: e", "f"]), Trace("a", ["::"])]
    with serve(served(classifier, tag=colon)) as step, serve(served(classifier)) as whole:
        one = connect(step, contract(template), small_tokenizer)
        other = connect(whole, contract(template), small_tokenizer, pooling="all")
        assert one.score(traces) == other.score(traces)


def test_a_shift_reads_another_token(classifier, small_tokenizer):
    (end,) = small_tokenizer.encode("\n", add_special_tokens=False)
    shifted = contract(Template(prompt="{problem}\n", step="{step}" + TAG + "{slot}\n"), shift=1)
    at_end = contract(Template(prompt="{problem}\n", step="{step}" + TAG + "\n{slot}"))
    behind = contract(
        Template(prompt="{problem}\n", step="{step}" + TAG + "\n{cut}{n}{slot}{cut}"), shift=-1
    )
    few = [trace for trace in TRACES if len(trace.steps) < 10]
    with serve(served(classifier)) as whole, serve(served(classifier, tag=end)) as step:
        plain = connect(whole, at_end, small_tokenizer, pooling="all").score(few)
        for where, pooling in ((whole, "all"), (step, "step")):
            assert connect(where, shifted, small_tokenizer, pooling=pooling).score(few) == plain
        first = [one.values[0] for one in plain]
        back = connect(step, behind, small_tokenizer).score(few)
        assert [one.values[0] for one in back] == first


def test_three_classes_and_a_difference(small_model, small_tokenizer):
    model = small_model("qwen2", "scorer", num_labels=3)
    three = contract(classes=3, good=(1, 2))
    with serve(served(model)) as there:
        scores = connect(there, three, small_tokenizer, pooling="all").score(TRACES[0])
        logits = connect(there, three, small_tokenizer, pooling="all", numbers="logits").score(
            TRACES[0]
        )
    assert scores.values == pytest.approx(logits.values, abs=1e-6)
    two = small_model("qwen2", "scorer")
    agreed = contract(link="difference")
    with serve(served(two)) as there:
        plain = connect(there, contract(), small_tokenizer, pooling="all").score(TRACES[0])
        found = connect(there, agreed, small_tokenizer, pooling="all").score(TRACES[0])
    assert found.values == pytest.approx([2 * p - 1 for p in plain.values], abs=1e-6)
    assert (found.kind, found.log_odds) == ("reward", None)


def test_a_probability_that_rounds_to_one_has_no_log_odds_unless_logits_are_asked_for(
    small_tokenizer,
):
    def sure(ids):
        return torch.tensor([[0.0, 200.0 + i] for i in range(len(ids))])

    with serve(Vllm(sure)) as there:
        rounded = connect(there, contract(), small_tokenizer, pooling="all").score(TRACES[0])
        exact = connect(there, contract(), small_tokenizer, pooling="all", numbers="logits").score(
            TRACES[0]
        )
    assert rounded.values == exact.values == (1.0, 1.0)
    assert rounded.log_odds is None
    assert 200 < exact.log_odds[0] < exact.log_odds[1]


def test_many_traces_in_order_and_in_bounded_requests(classifier, small_tokenizer):
    traces = [Trace(f"problem {i}", [f"step {k}" for k in range(i % 5 + 1)]) for i in range(60)]
    with serve(served(classifier)) as there:
        one = connect(there, contract(), small_tokenizer, pooling="all")
        many = connect(
            there, contract(), small_tokenizer, pooling="all", max_tokens_per_request=300
        )
        alone = [one.score(trace) for trace in traces]
        before = len(there.requests)
        found = many.score(traces)
        sizes = [[len(ids) for ids in r.body["input"]] for r in there.requests[before:]]
    assert found == alone
    assert len(sizes) > 5
    assert all(sum(size) <= 300 for size in sizes)


def test_the_token_stands_in_the_usual_variable(classifier, small_tokenizer, monkeypatch):
    monkeypatch.setenv("VLLM_API_KEY", "abc")
    with serve(served(classifier)) as there:
        VllmModel.connect(there.url, contract(), small_tokenizer, pooling="all").score(TRACES)
        assert {request.headers["Authorization"] for request in there.requests} == {"Bearer abc"}


def test_a_prefix_cache_shows_at_once(classifier, small_tokenizer):
    """vLLM gave rows for the tokens after the cached blocks alone, until it was mended."""
    (end,) = small_tokenizer.encode(TAG, add_special_tokens=False)
    for pooling, tag in (("step", end), ("all", None)):
        with (
            serve(served(classifier, tag=tag, cache=16)) as there,
            pytest.raises(ModelError, match=r"rows, \d+ are due.*--no-enable-prefix-caching"),
        ):
            connect(there, contract(), small_tokenizer, pooling=pooling)


def test_a_prefix_cache_that_comes_later_shows_too(classifier, small_tokenizer):
    server = served(classifier)
    with serve(server) as there:
        remote = connect(there, contract(), small_tokenizer, pooling="all")
        remote.score(TRACES[3])
        server.cache = 16
        remote.score(TRACES[3])
        with pytest.raises(ModelError, match=rf"trace {TRACES[3].id} has .* prefix cache"):
            remote.score(TRACES[3])


@pytest.mark.parametrize(
    ("server", "options", "reason"),
    [
        ({}, {"pooling": "step"}, "a row for every token|one for every token; say pooling='all'"),
        ({"tag": 3}, {"pooling": "step"}, "has 0 rows, 8 are due: .*step_tag_id is not 2"),
        ({"tag": 2}, {"pooling": "all"}, "has 8 rows.*has STEP pooling"),
        ({"heeds": False}, {"pooling": "all", "numbers": "logits"}, "does not heed use_activation"),
    ],
)
def test_a_server_that_was_started_otherwise_is_refused(
    classifier, small_tokenizer, server, options, reason
):
    with (
        serve(served(classifier, **server)) as there,
        pytest.raises(ModelError, match=reason),
    ):
        connect(there, contract(), small_tokenizer, **options)


def test_logits_where_probabilities_are_due_are_refused(classifier, small_tokenizer):
    server = served(classifier)
    server.rows = lambda ids, softmax: class_logits(classifier, ids).tolist()
    with (
        serve(server) as there,
        pytest.raises(ModelError, match=r"no probabilities; .* say numbers='logits'"),
    ):
        connect(there, contract(), small_tokenizer, pooling="all")


def test_a_sum_within_a_thousandth_is_let_pass(small_tokenizer):
    server = Vllm(lambda ids: torch.zeros(len(ids), 2))
    server.rows = lambda ids, softmax: [[0.2496, 0.7499]] * len(ids)
    with serve(server) as there:
        scores = connect(there, contract(), small_tokenizer, pooling="all").score(TRACES[2])
        assert scores.values == pytest.approx([0.7499 / 0.9995])
        server.rows = lambda ids, softmax: [[0.2496, 0.7491]] * len(ids)
        with pytest.raises(ModelError, match="no probabilities"):
            connect(there, contract(), small_tokenizer, pooling="all")


def on_first(change):
    def spoil(answer):
        change(answer["data"][0])
        return answer

    return spoil


def swapped(answer):
    answer["data"].reverse()
    return answer


SPOILT = {
    "one too few": (lambda a: {**a, "data": a["data"][:-1]}, "3 texts came back for 4"),
    "one too many": (lambda a: {**a, "data": a["data"] + a["data"][:1]}, "5 texts came back for 4"),
    "an index twice": (on_first(lambda one: one.update(index=1)), "4 texts came back for 4"),
    "no index": (on_first(lambda one: one.pop("index")), "an index each"),
    "no data": (lambda a: {"error": "oops"}, "no list of data"),
    "a list": (lambda a: [], "no list of data"),
    "no rows": (on_first(lambda one: one.pop("data")), "one row for the whole text"),
    "one row": (on_first(lambda one: one.update(data=[0.5, 0.5])), "one row for the whole text"),
    "base64": (on_first(lambda one: one.update(data="AAAA")), "one row for the whole text"),
    "a row too few": (on_first(lambda one: one["data"].pop()), "rows, .* are due"),
    "a row too many": (on_first(lambda one: one["data"].append([0.5, 0.5])), "rows, .* are due"),
    "one class": (
        on_first(lambda one: one["data"].__setitem__(3, [1.0])),
        r"\[1.0\]; 2 finite",
    ),
    "three classes": (
        on_first(lambda one: one["data"].__setitem__(3, [0.5, 0.25, 0.25])),
        "2 finite numbers are due",
    ),
    "null": (on_first(lambda one: one["data"].__setitem__(3, [None, 1.0])), "2 finite numbers"),
    "true": (on_first(lambda one: one["data"].__setitem__(3, [False, True])), "2 finite numbers"),
    "other model": (lambda a: {**a, "model": "m2"}, "was 'm' at first and is 'm2' now"),
    "cut short": (lambda a: {**a, "usage": {"prompt_tokens": 7}}, r"read 7 tokens of \d+"),
    "NaN": (
        lambda a: Reply(json.dumps(a).replace("[[0.", "[[NaN, 0.", 1).encode()),
        "NaN, which is no number",
    ),
    "infinite": (
        lambda a: Reply(json.dumps(a).replace("[[0.", "[[1e999, 0.", 1).encode()),
        "2 finite numbers",
    ),
    "an error": (lambda a: Reply({"error": {"message": "CUDA error"}}, 500), "500: .*CUDA error"),
    "cut off": (lambda a: Reply(json.dumps(a)[:-9].encode()), "is not JSON"),
    "always busy": (lambda a: Reply("busy", 503), "failed 4 times; at last: status 503"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_wrong_answer_is_an_error_and_never_a_number(classifier, small_tokenizer, name):
    server = served(classifier)
    spoil, reason = SPOILT[name]
    with serve(server) as there:
        remote = connect(there, contract(), small_tokenizer, pooling="all")
        server.spoil = spoil
        with pytest.raises(ModelError, match=reason) as raised:
            remote.score(TRACES)
    assert there.url in str(raised.value)


def test_the_order_of_an_answer_does_not_matter(classifier, small_tokenizer):
    server = served(classifier)
    with serve(server) as there:
        remote = connect(there, contract(), small_tokenizer, pooling="all")
        found = remote.score(TRACES)
        server.spoil = swapped
        assert remote.score(TRACES) == found


def test_a_trace_that_does_not_fit_is_its_own_error(classifier, small_tokenizer):
    long = Trace("p", ["many words " * 20] * 3)
    seeing = Trace("p", [Step("look", observation="a tree")])
    with serve(served(classifier, max_len=400)) as there:
        remote = connect(there, contract(), small_tokenizer, pooling="all")
        with pytest.raises(UnscorableError, match=r"has \d+ tokens .* allows 400"):
            remote.score([TRACES[0], long])
        with pytest.raises(UnscorableError, match="has an observation"):
            remote.score(seeing)
        assert remote.score(TRACES[:1])


def test_a_step_that_swallows_its_tag_needs_all_pooling(classifier, small_tokenizer):
    """Behind a digit `d` is a token; behind `a` it makes `ad` of it."""
    loose = contract(Template(prompt="{problem}\n", step="{step}d{slot}{cut}"))
    (tag,) = small_tokenizer.encode("d", add_special_tokens=False)
    trace = Trace("p", ["5 + 8 = 13", "so a"])
    with serve(served(classifier, tag=tag)) as there:
        remote = connect(there, loose, small_tokenizer)
        with pytest.raises(UnscorableError, match=rf"step 1 .*gives rows for {tag} alone"):
            remote.score(trace)
    with serve(served(classifier)) as there:
        assert connect(there, loose, small_tokenizer, pooling="all").score(trace)


@pytest.mark.parametrize("step", ["{cut}{step}{slot}{cut}", "{step}{cut}{n}{slot}{cut}"])
def test_steps_that_end_in_many_ways_are_refused(classifier, small_tokenizer, step):
    ending = contract(Template(prompt="{problem}\n", step=step))
    with (
        serve(served(classifier)) as there,
        pytest.raises(ContractError, match="read at different tokens"),
    ):
        connect(there, ending, small_tokenizer)


@pytest.mark.parametrize(
    ("agreed", "what"),
    [
        (contract(Template(past="{step}\n")), "writes a row for each step"),
        (
            contract(
                Template(past="{step}\n", second="{step}{sign}{slot}"),
                head="tokens",
                tokens=("-", "+"),
            ),
            "reads each step in two passes",
        ),
        (contract(head="vocabulary-mean", link="sigmoid", classes=1), "head 'vocabulary-mean'"),
        (contract(link="sigmoid", classes=1), "link 'sigmoid'"),
        (contract(link="raw", classes=1), "link 'raw'"),
        (contract(head="token-log-ratio", link="log-ratio"), "head 'token-log-ratio'"),
    ],
)
def test_a_contract_that_cannot_be_honoured_is_refused(small_tokenizer, agreed, what):
    with pytest.raises(ContractError, match=what):
        VllmModel(Server("http://127.0.0.1:1"), agreed, small_tokenizer, model="m")


def test_another_tokenizer_is_refused(small_tokenizer):
    agreed = Contract(template=TAGGED, pinned={TAG: (151651,)}, max_tokens=512)
    with pytest.raises(ContractError, match=r"the contract says \[151651\]"):
        VllmModel(Server("http://127.0.0.1:1"), agreed, small_tokenizer, model="m")


@pytest.mark.parametrize("options", [{"pooling": "some"}, {"numbers": "scores"}])
def test_unknown_choices_are_refused(small_tokenizer, options):
    with pytest.raises(UsageError, match="choose"):
        VllmModel(Server("http://127.0.0.1:1"), contract(), small_tokenizer, model="m", **options)


def test_which_of_several_models_must_be_said():
    cards = {"data": [{"id": "a", "max_model_len": 9}, {"id": "b", "max_model_len": None}]}
    with serve(lambda _: cards) as there:
        server = Server(there.url, patience=QUICK)
        assert served_model(server, "a") == ("a", 9)
        assert served_model(server, "b") == ("b", None)
        with pytest.raises(UsageError, match="has the models a, b; none was named"):
            served_model(server)
        with pytest.raises(UsageError, match="none is 'c'"):
            served_model(server, "c")


@pytest.mark.parametrize("answer", [[], {"data": None}, {"data": [{"name": "a"}]}, {"data": ["a"]}])
def test_another_server_is_told_apart(answer):
    with serve(lambda _: answer) as there, pytest.raises(ModelError, match="not a vLLM server"):
        served_model(Server(there.url, patience=QUICK))


def test_known_scores_prove_a_server(classifier, small_model, small_tokenizer):
    """A server that reads other numbers, or has its classes turned round, is found out."""
    with serve(served(classifier)) as there:
        remote = connect(there, contract(), small_tokenizer, pooling="all")
        known = [trace.with_scores(remote.score(trace)) for trace in TRACES]
        remote.prove(known)
        with pytest.raises(UsageError, match="carries no scores"):
            remote.prove(TRACES)
    turned = Vllm(lambda ids: class_logits(classifier, ids).flip(-1))
    other = served(small_model("qwen2", "scorer", seed=5))
    for wrong in (turned, other):
        with serve(wrong) as there:
            remote = connect(there, contract(), small_tokenizer, pooling="all")
            with pytest.raises(ModelError, match=r"step \d+ of trace \w+ scores 0\.\d+, and by m"):
                remote.prove(known)
    abstained = TRACES[2].with_scores(StepScores((None,), "checker"))
    with serve(served(classifier)) as there:
        connect(there, contract(), small_tokenizer, pooling="all").prove([abstained])
