"""Tiny random checkpoints of every published family, in the layout that its authors published, and
the plain model of each to compare with.

Weights are large, so that different texts get clearly different scores. Wherever a published
repository brings code along, so do these; it leaves a trace if it ever runs.
"""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch.nn import functional

import published_rules as rules
import surefoot
from published_rules import Authors
from published_tokenizers import llama2, llama3, qwen, with_ids

HIDDEN = 16
POSITIONS = 16_384

QWEN2 = {
    "model_type": "qwen2",
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-6,
    "sliding_window": 4096,
    "use_sliding_window": False,
    "max_window_layers": 28,
}
QWEN3 = {"model_type": "qwen3", "rope_theta": 1000000, "rms_norm_eps": 1e-6, "head_dim": 8}
LLAMA3 = {
    "model_type": "llama",
    "rope_theta": 500000.0,
    "rms_norm_eps": 1e-5,
    "rope_scaling": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
}
LLAMA2 = {"model_type": "llama", "rope_theta": 10000, "rms_norm_eps": 1e-5, "rope_scaling": None}
MISTRAL = {"model_type": "mistral", "rope_theta": 10000.0, "rms_norm_eps": 1e-5}
MISTRAL |= {"sliding_window": 4096}

CLASSES = {"qwen2": "Qwen2", "qwen3": "Qwen3", "llama": "Llama", "mistral": "Mistral"}


@dataclass(frozen=True)
class Head:
    """Tensors that are no part of a language model, what they make of a state, and the link."""

    shapes: dict[str, tuple[int, ...]]
    logits: Callable[[dict[str, torch.Tensor], torch.Tensor], torch.Tensor]
    link: Callable[[torch.Tensor], torch.Tensor]


def softmax(z):
    return z.softmax(-1)[..., 1]


def difference(z):
    return z.softmax(-1)[..., 1] - z.softmax(-1)[..., 0]


def sigmoid(z):
    return z[..., 0].sigmoid()


def raw(z):
    return z[..., 0]


def linear(name, classes, link, *, bias=True):
    shapes = {f"{name}.weight": (classes, HIDDEN)}
    if bias:
        shapes[f"{name}.bias"] = (classes,)
    return Head(
        shapes,
        lambda own, x: functional.linear(x, own[f"{name}.weight"], own.get(f"{name}.bias")),
        link,
    )


def _mlp(own, x):
    x = functional.linear(x, own["score.0.weight"], own["score.0.bias"])
    return functional.linear(functional.relu(x), own["score.2.weight"], own["score.2.bias"])


MLP = Head(
    {
        "score.0.weight": (HIDDEN, HIDDEN),
        "score.0.bias": (HIDDEN,),
        "score.2.weight": (2, HIDDEN),
        "score.2.bias": (2,),
    },
    _mlp,
    softmax,
)


def _inner(own, x):
    """The states (E, S, D) before the last layer of an ensemble, whose weights are (E, in, out)."""
    x = x.expand(len(own["score.model.nn1.weight"]), *x.shape)
    for name in ("nn1", "nn2"):
        weight, bias = own[f"score.model.{name}.weight"], own[f"score.model.{name}.bias"]
        x = functional.relu(torch.einsum("esh,ehd->esd", x, weight) + bias[:, None])
    return x


def _ensemble(own, x):
    """Logits (E, S, 1)."""
    weight, bias = own["score.model.nn_out.weight"], own["score.model.nn_out.bias"]
    return torch.einsum("esh,ehd->esd", _inner(own, x), weight) + bias[:, None]


ENSEMBLE = Head(
    {
        "score.model.nn1.weight": (3, HIDDEN, 24),
        "score.model.nn1.bias": (3, 24),
        "score.model.nn2.weight": (3, 24, 24),
        "score.model.nn2.bias": (3, 24),
        "score.model.nn_out.weight": (3, 24, 1),
        "score.model.nn_out.bias": (3, 1),
    },
    _ensemble,
    lambda z: z[..., 0].sigmoid().mean(0),
)


@dataclass(frozen=True, kw_only=True)
class Family:
    """How one published family looks on disk, and its rule.

    `pair` are the bad and the good answer of a language model's head, `tag` what stands at the
    positions of its rule.
    """

    folder: str
    config: dict[str, Any]
    tokenizer: Callable[[], Any]
    rule: Callable[..., list[rules.Row]]
    architecture: str = "ForCausalLM"
    ids: dict[str, int] = field(default_factory=dict)
    head: Head | None = None
    pair: tuple[str, str] | None = None
    tag: str | None = None
    is_named: bool = True
    """Whether the name of the folder is enough to know it."""
    code: bool = False
    """Whether code comes along."""
    weights: str = "model.safetensors"
    head_file: str | None = None
    has_lm_head: bool = True
    more: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Further tensors that no score needs."""
    settings: dict[str, Any] = field(default_factory=dict)
    adapter: dict[str, Any] | None = None
    """Settings of LoRA."""


def causal(folder, config, tokenizer, rule, pair, **rest):
    return Family(folder=folder, config=config, tokenizer=tokenizer, rule=rule, pair=pair, **rest)


def headed(folder, config, tokenizer, rule, head, architecture, **rest):
    return Family(
        folder=folder,
        config=config,
        tokenizer=tokenizer,
        rule=rule,
        head=head,
        architecture=architecture,
        **rest,
    )


_PRM = "Qwen2ForProcessRewardModel"
_TOKENS = "ForTokenClassification"
_TEXTS = "ForSequenceClassification"
_VERSA = {" \n\n\n\n": 23535, "+": 10, "-": 12}
_RLHFLOW = {"+": 10, "-": 12, "\n\n": 271, "assistant": 78191}
_RLHFLOW |= {"<|start_header_id|>": 128006, "<|end_header_id|>": 128007, "<|eot_id|>": 128009}
_SIGNS, _SPACED = ("-", "+"), (" -", " +")
_DOCUMENTS = rules.med_prm("relevant documents, the ", ",", " sequentially")
_LORA = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.1, "bias": "none"}
_ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
_REASON = {"architecture": "ReasonEval_7B", "has_lm_head": False}
_REASON_34 = {"architecture": "ReasonEval_34B", "has_lm_head": False}
_SCORE_7 = {"settings": {"score_dimension": 3, "use_bias": False}}
_SCORE_34 = {"settings": {"score_dim": 3, "bias": True}}


def reason_head(link, bias):
    return linear("score_head", 3, link, bias=bias)


def validity(z):
    return z.softmax(-1)[..., 1] + z.softmax(-1)[..., 2]


def no_redundancy(z):
    return 1 - z.softmax(-1)[..., 1]


FAMILIES = {
    "actprm": headed(
        "ActPRM/ActPRM-X",
        QWEN2,
        qwen,
        rules.qwen_prm(rules.BOX),
        ENSEMBLE,
        "Qwen2ForEnsemblePRM",
        code=True,
        has_lm_head=False,
        tag="<extra_0>",
        more={"score.reg_model.nn1.weight": (3, HIDDEN, 24), "score.reg_model.nn1.bias": (3, 24)},
        settings={"num_ensemble": 3, "rr_token": "<extra_0>", "learning_probability": 1.0},
    ),
    "agentprm-alfworld": headed(
        "rl-llm-agent/Llama-3.1-8B-Instruct-Reward-Alfworld-v0",
        LLAMA3,
        llama3,
        rules.agentprm,
        linear("score", 1, raw, bias=False),
        _TEXTS,
        has_lm_head=False,
    ),
    "er-prm": causal(
        "HanningZhang/Llama3.1-Math-PRM",
        LLAMA3,
        llama3,
        rules.er_prm,
        _SPACED,
        ids={" +": 489, " -": 482},
        tag=" ки",
    ),
    "eurusprm": causal("PRIME-RL/EurusPRM-Stage2", QWEN2, qwen, rules.eurus, None),
    "fin-prm": headed(
        "Fin/PRM",
        QWEN3,
        qwen,
        rules.fin_prm,
        MLP,
        "Qwen3ForProcessRewardModel",
        ids={"<extra_0>": 151669, "<extra_1>": 151670},
        code=True,
        has_lm_head=False,
        tag="<extra_0>",
        settings={"alpha": 0.5, "num_labels": 2},
    ),
    "fover-llama": causal(
        "ryokamoi/Llama-3.1-8B-FoVer-PRM",
        LLAMA3,
        llama3,
        rules.fover,
        ("incorrect", "correct"),
        tag="\n\n",
    ),
    "fover-qwen": causal(
        "ryokamoi/Qwen-2.5-7B-FoVer-PRM",
        QWEN2,
        qwen,
        rules.fover,
        ("incorrect", "correct"),
        tag="\n",
    ),
    "hf-prm-0.2": headed(
        "HuggingFaceH4/Qwen2.5-Math-1.5B-Instruct-PRM-0.2",
        QWEN2,
        qwen,
        rules.trl("\n\n"),
        linear("score", 2, softmax),
        _TOKENS,
        ids={"\n\n": 271},
        has_lm_head=False,
        tag="\n\n",
    ),
    "implicitprm-llama": causal(
        "Windy0822/ImplicitPRM_DPO", LLAMA3, llama3, rules.implicit_llama, None
    ),
    "llemma-orm": causal(
        "ScalableMath/llemma-7b-orm-prm800k-level-1to3-hf",
        LLAMA2,
        llama2,
        rules.llemma,
        None,
        weights="pytorch_model.bin",
    ),
    "llemma-prm": causal(
        "ScalableMath/llemma-7b-prm-prm800k-level-1to3-hf",
        LLAMA2,
        llama2,
        rules.llemma,
        None,
        weights="pytorch_model-{}.bin",
    ),
    "math-minos": headed(
        "Minos/mistral",
        MISTRAL,
        llama2,
        rules.math_minos,
        linear("score", 1, raw),
        _TOKENS,
        is_named=False,
        has_lm_head=False,
        tag="и",
    ),
    "math-shepherd": causal(
        "peiyi9979/math-shepherd-mistral-7b-prm",
        MISTRAL,
        llama2,
        rules.math_shepherd,
        _SIGNS,
        ids={"+": 648, "-": 387, "ки": 12902},
        weights="pytorch_model-{}.bin",
        tag="ки",
    ),
    "med-prm": causal(
        "dmis-lab/llama-3.1-medprm-reward-v1.0",
        LLAMA3,
        llama3,
        rules.med_prm("", "", "", before="Question: "),
        _SPACED,
        ids={" +": 489, " -": 482},
        tag=" ки",
    ),
    "med-prm-documents": causal(
        "Med/documents",
        LLAMA3,
        llama3,
        _DOCUMENTS,
        _SPACED,
        ids={" +": 489, " -": 482},
        tag=" ки",
        is_named=False,
    ),
    "medsss-prm": headed(
        "pixas/MedSSS_PRM",
        LLAMA3,
        llama3,
        rules.medsss,
        linear("score", 2, softmax),
        _TOKENS,
        adapter={
            **_LORA,
            "task_type": "TOKEN_CLS",
            "target_modules": _ALL_LINEAR,
            "modules_to_save": ["classifier", "score"],
        },
    ),
    "openr-math-psa": causal(
        "openreasoner/Math-psa",
        QWEN2,
        qwen,
        rules.openr,
        _SPACED,
        ids={" \n\n\n\n\n": 76325, " +": 488, " -": 481},
        tag=" \n\n\n\n\n",
        adapter={**_LORA, "task_type": "CAUSAL_LM", "target_modules": ["q_proj", "v_proj"]},
    ),
    "openrlhf": causal(
        "OpenRLHF/Mistral-7b-PRM-Math-Shepherd",
        MISTRAL | {"sliding_window": 64},
        llama2,
        rules.math_shepherd,
        _SIGNS,
        tag="ки",
    ),
    "pathfinder-prm": causal(
        "declare-lab/PathFinder-PRM-7B", QWEN2, qwen, rules.pathfinder, ("<->", "<+>")
    ),
    "pqm": headed(
        "Windy0822/PQM",
        LLAMA2,
        qwen,
        rules.pqm,
        linear("v_head.summary", 1, raw),
        "ForCausalLM",
        tag="[PRM]",
    ),
    "prorag-prm": headed(
        "bmbgsj/ProRAG_PRM",
        QWEN3,
        qwen,
        rules.prorag,
        linear("score", 1, raw, bias=False),
        _TEXTS,
        has_lm_head=False,
    ),
    "pure-prm": headed(
        "jinachris/PURE-PRM-7B",
        QWEN2,
        qwen,
        rules.pure,
        linear("score", 2, difference),
        _TOKENS,
        ids={"\n\n": 271},
        has_lm_head=False,
        tag="\n\n",
    ),
    "qwen-prm800k": causal(
        "UW-Madison-Lee-Lab/Qwen-PRM800K",
        QWEN2,
        qwen,
        rules.versaprm,
        _SIGNS,
        ids={" \n\n\n\n": 22701, "+": 10, "-": 12},
        tag=" \n\n\n\n",
    ),
    "qwen2.5-math-prm": headed(
        "Qwen/Qwen2.5-Math-PRM-7B",
        QWEN2,
        qwen,
        rules.qwen_prm(rules.BOX),
        MLP,
        _PRM,
        ids={"<extra_0>": 151651},
        code=True,
        tag="<extra_0>",
    ),
    "reasoneval-34b": headed(
        "GAIR/ReasonEval-34B",
        LLAMA2,
        llama2,
        rules.reasoneval(False),
        reason_head(validity, True),
        **_REASON_34,
        **_SCORE_34,
    ),
    "reasoneval-34b-redundancy": headed(
        "Reason/34B",
        LLAMA2,
        llama2,
        rules.reasoneval(False),
        reason_head(no_redundancy, True),
        is_named=False,
        **_REASON_34,
        **_SCORE_34,
    ),
    "reasoneval-7b": headed(
        "GAIR/ReasonEval-7B",
        MISTRAL,
        llama2,
        rules.reasoneval(True),
        reason_head(validity, False),
        **_REASON,
        **_SCORE_7,
    ),
    "reasoneval-7b-redundancy": headed(
        "Reason/7B",
        MISTRAL,
        llama2,
        rules.reasoneval(True),
        reason_head(no_redundancy, False),
        is_named=False,
        **_REASON,
        **_SCORE_7,
    ),
    "reasonflux-prm-1.5b": headed(
        "Gen-Verse/ReasonFlux-PRM-1.5B",
        QWEN2,
        qwen,
        rules.reasonflux_small,
        linear("reward_head", 1, sigmoid),
        "ForCausalLM",
        head_file="reward_head.pt",
    ),
    "reasonflux-prm-7b": headed(
        "Gen-Verse/ReasonFlux-PRM-7B",
        QWEN2,
        qwen,
        rules.qwen_prm(""),
        MLP,
        _PRM,
        ids={"<extra_0>": 151651},
        code=True,
        tag="<extra_0>",
    ),
    "rlhflow-deepseek-data": causal(
        "RLHFlow/Llama3.1-8B-PRM-Deepseek-Data",
        LLAMA3,
        llama3,
        rules.rlhflow,
        _SIGNS,
        ids=_RLHFLOW,
        tag="\n\n",
    ),
    "rlhflow-mistral-data": causal(
        "RLHFlow/Llama3.1-8B-PRM-Mistral-Data",
        LLAMA3,
        llama3,
        rules.rlhflow,
        _SIGNS,
        ids=_RLHFLOW,
        tag="\n\n",
    ),
    "skywork-o1-open-prm": headed(
        "Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B",
        QWEN2,
        qwen,
        rules.skywork,
        linear("v_head.summary", 1, sigmoid),
        "Qwen2ForPrmModel",
        weights="pytorch_model.bin",
        code=True,
        tag="\n",
    ),
    "trl": headed(
        "trl-lib/Qwen2-0.5B-Reward-Math-Sheperd",
        QWEN2,
        qwen,
        rules.trl("\n"),
        linear("score", 2, softmax),
        _TOKENS,
        has_lm_head=False,
        tag="\n",
    ),
    "universal-prm": headed(
        "infly/Universal-PRM-7B",
        QWEN2,
        qwen,
        rules.universal,
        linear("score", 1, sigmoid, bias=False),
        "UniversalPRM",
        weights="pytorch_model-{}.bin",
        code=True,
    ),
    "versaprm": causal(
        "UW-Madison-Lee-Lab/VersaPRM-Math-Subset",
        LLAMA3,
        llama3,
        rules.versaprm,
        _SIGNS,
        ids=_VERSA,
        tag=" \n\n\n\n",
        adapter={**_LORA, "task_type": "CAUSAL_LM", "target_modules": _ALL_LINEAR},
    ),
    "versaprm-base": causal(
        "UW-Madison-Lee-Lab/VersaPRM-Base-8B",
        LLAMA3,
        llama3,
        rules.versaprm,
        _SIGNS,
        ids=_VERSA,
        tag=" \n\n\n\n",
    ),
    "visualprm": causal("OpenGVLab/VisualPRM-8B", QWEN2, qwen, rules.visualprm, _SIGNS, tag="\n"),
}


class Plain:
    """The plain transformers model of a family and its head, one row at a time."""

    def __init__(self, family, seed=0):
        self.family = family
        self.tokenizer = with_ids(family.tokenizer(), family.ids)
        self.authors = Authors(self.tokenizer)
        highest = max(self.tokenizer.get_vocab().values())
        self.config = {
            "architectures": [self._architecture(family)],
            "hidden_size": HIDDEN,
            "intermediate_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "hidden_act": "silu",
            "max_position_embeddings": POSITIONS,
            "tie_word_embeddings": False,
            "vocab_size": highest // 8 * 8 + 8,
            "bos_token_id": self.tokenizer.bos_token_id,
            "eos_token_id": self.tokenizer.eos_token_id,
            "torch_dtype": "bfloat16",
            "transformers_version": "4.46.3",
            **family.config,
            **family.settings,
        }
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.model = _random(self.config)
            self.head = {
                name: _published(torch.randn(shape) * 0.3)
                for name, shape in (family.head.shapes if family.head else {}).items()
            }
            if family.rule is rules.llemma:
                rows = _published(torch.randn(2, HIDDEN))
                count = self.config["vocab_size"] // 2
                self.model.lm_head.weight.data = rows.repeat_interleave(count, 0)
            self.adapted = self._adapted() if family.adapter else None

    @staticmethod
    def _architecture(family):
        if family.architecture.startswith("For"):
            return CLASSES[family.config["model_type"]] + family.architecture
        return family.architecture

    def _adapted(self):
        """The model with random LoRA layers; the head of a classifier is among its weights."""
        model = copy.deepcopy(self.model)
        if self.family.head is not None:
            model = _random(self.config, self.family.architecture, num_labels=2)
            model.model.load_state_dict(self.model.model.state_dict())
            model.load_state_dict(self.head, strict=False)
        settings = LoraConfig(**self.family.adapter, init_lora_weights=False)
        adapted = get_peft_model(model, settings).eval()
        settings.base_model_name_or_path = self.family.folder + "-base"
        for name, one in adapted.named_parameters():
            if "lora_" in name:
                one.data = _published(torch.randn(one.shape) * 0.2)
        return adapted

    @torch.no_grad()
    def scores(self, problem, steps, only=None, **rest):
        """What the published rule gives; None for rows other than those asked for."""
        rows = self.family.rule(self.authors, problem, steps, **rest)
        wanted = range(len(rows)) if only is None else only
        if self.family.rule is rules.pathfinder:
            return self._two_passes(problem, steps, rows, wanted)
        return [
            value
            for i, row in enumerate(rows)
            for value in (self.values(row) if i in wanted else [None] * len(row.positions))
        ]

    def values(self, row):
        """What is read at the positions of one row."""
        if self.family.pair is not None:
            logits = self.logits(row)
            bad, good = (self.token(text) for text in self.family.pair)
            return logits[:, [bad, good]].softmax(-1)[:, 1].tolist()
        if self.family.head is not None:
            return self.family.head.link(self.head_logits(row)).tolist()
        return self.logits(row).mean(-1).sigmoid().tolist()

    def head_logits(self, row):
        if self.adapted is not None:
            logits = self.adapted(torch.tensor([row.ids])).logits[0]
            return logits[torch.tensor(row.positions)]
        return self.family.head.logits(self.head, self.states(row))

    def token(self, text):
        """The first id of an answer, as authors look it up."""
        return self.authors.ids(self.authors.own(text))[0]

    @torch.no_grad()
    def states(self, row):
        """Of the last layer, at the positions."""
        body = self.model.model if self.adapted is None else self.adapted.base_model.model.model
        return body(torch.tensor([row.ids])).last_hidden_state[0, torch.tensor(row.positions)]

    @torch.no_grad()
    def logits(self, row):
        """Of the whole vocabulary at the positions."""
        keep = torch.tensor(row.positions)
        return (self.adapted or self.model)(torch.tensor([row.ids]), logits_to_keep=keep).logits[0]

    def _two_passes(self, problem, steps, rows, wanted):
        """A step whose first pass prefers a bad sign scores -1."""
        found = [self.values(row) if i in wanted else [0, 0] for i, row in enumerate(rows)]
        signs = [[("<->", "<+>")[p >= 0.5] for p in own] for own in found]
        again = rules.pathfinder(self.authors, problem, steps, signs)
        return [
            None if i not in wanted else -1.0 if "<->" in signs[i] else self.values(row)[0]
            for i, row in enumerate(again)
        ]

    def ratios(self, reference, problem, steps, coefficient=0.001):
        """The sums of log-ratios with another model, from the first position on."""
        (row,) = self.family.rule(self.authors, problem, steps)
        change = self.log_probs(row.ids) - reference.log_probs(row.ids)
        first, *ends = row.positions
        return [coefficient * float(change[first - 1 : end].sum()) for end in ends]

    def decide(self, problem, steps, gaps):
        """Change the head so that it is this sure of each step, in log-odds."""
        rows = self.family.rule(self.authors, problem, steps)
        if self.family.rule is rules.pathfinder:
            rows += rules.pathfinder(self.authors, problem, steps, [("<+>", "<+>")] * len(steps))
            gaps = [30.0] * 2 * len(steps) + list(gaps)
        states = torch.cat([self.states(row) for row in rows])
        if self.family.head is None:
            self._decide_words(_direction(states, gaps))
        elif self.family.head is MLP:
            inner = functional.linear(
                states, self.head["score.0.weight"], self.head["score.0.bias"]
            )
            self._decide_layer("score.2", _direction(inner.relu(), gaps))
        elif self.family.head is ENSEMBLE:
            inner = _inner(self.head, states)
            self.head["score.model.nn_out.bias"].zero_()
            self.head["score.model.nn_out.weight"] = torch.stack(
                [_direction(one, gaps)[:, None] for one in inner]
            )
        else:
            name = next(iter(self.family.head.shapes)).rpartition(".")[0]
            self._decide_layer(name, _direction(states, gaps))

    def _decide_words(self, direction):
        for model in filter(None, (self.model, self.adapted)):
            weight = model.get_output_embeddings().weight.data
            if self.family.pair is None:
                weight[:] = direction
            else:
                bad, good = (self.token(text) for text in self.family.pair)
                weight[bad], weight[good] = -direction / 2, direction / 2

    def _decide_layer(self, name, direction):
        classes = len(self.head[f"{name}.weight"])
        signs = {1: [2], 2: [-1, 1], 3: [-1, 1, 1]}[classes]
        if self.family.head.link is no_redundancy:
            signs = [1, -1, 1]
        changed = {f"{name}.weight": torch.outer(torch.tensor(signs) / 2, direction)}
        if f"{name}.bias" in self.head:
            changed[f"{name}.bias"] = torch.zeros(classes)
        self.head |= changed
        if self.adapted is not None:
            layer = self.adapted.base_model.model.score.modules_to_save["default"]
            layer.load_state_dict({n.rpartition(".")[2]: one for n, one in changed.items()})

    @torch.no_grad()
    def log_probs(self, ids):
        """Of every token but the first."""
        logits = self.model(torch.tensor([ids])).logits[0, :-1]
        return logits.log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0].double()

    def save(self, root):
        """The checkpoint, in a folder called as on the hub; gives that folder."""
        folder = root / self.family.folder
        if self.adapted is not None:
            self.adapted.save_pretrained(folder, save_embedding_layers=False)
            save_tokenizer(self.tokenizer, folder)
            return folder
        self.save_whole(folder)
        return folder

    def save_whole(self, folder, *, head=True):
        folder.mkdir(parents=True)
        tensors = {n: one.bfloat16() for n, one in self.model.state_dict().items()}
        if not self.family.has_lm_head:
            del tensors["lm_head.weight"]
        if head and self.family.head_file is None:
            tensors |= self.head
        tensors |= {name: torch.randn(shape) for name, shape in self.family.more.items()}
        write_weights(folder, self.family.weights, tensors)
        if self.family.head_file is not None:
            content = {name.rpartition(".")[2]: one for name, one in self.head.items()}
            torch.save(content, folder / self.family.head_file)
        config = dict(self.config)
        if self.family.code:
            config["auto_map"] = write_code(folder)
        (folder / "config.json").write_text(json.dumps(config, indent=2))
        save_tokenizer(self.tokenizer, folder)


def base_of(plain, folder):
    """The base model of an adapter, as a causal language model; gives its folder."""
    folder.mkdir(parents=True)
    kind = CLASSES[plain.config["model_type"]] + "ForCausalLM"
    tensors = {name: one.bfloat16() for name, one in plain.model.state_dict().items()}
    write_weights(folder, "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps({**plain.config, "architectures": [kind]}))
    save_tokenizer(plain.tokenizer, folder)
    return folder


def _random(config, task="ForCausalLM", **more):
    kind = CLASSES[config["model_type"]]
    settings = getattr(transformers, kind + "Config")(**config, **more)
    settings.dtype = torch.float32
    model = getattr(transformers, kind + task)(settings).eval()
    for name, one in model.named_parameters():
        scale = 0.15 if "embed_tokens" in name else 0.4
        one.data = _published(torch.randn(one.shape) * scale + name.endswith("norm.weight"))
    return model


def _direction(states, gaps):
    """The shortest vector whose products with states (S, H) are these."""
    return torch.linalg.pinv(states.double()).float() @ torch.tensor(gaps)


def _published(tensor):
    """Rounded to the numbers that are published."""
    return tensor.bfloat16().float()


def write_weights(folder, name, tensors):
    """In one file, or in two with an index where the name has a gap."""
    tensors = {n: one.contiguous() for n, one in tensors.items()}
    if "{}" not in name:
        _write(folder / name, tensors)
        return
    names = list(tensors)
    parts = {name.format("00001-of-00002"): names[::2], name.format("00002-of-00002"): names[1::2]}
    for file, own in parts.items():
        _write(folder / file, {n: tensors[n] for n in own})
    index = {"metadata": {}, "weight_map": {n: file for file, own in parts.items() for n in own}}
    (folder / (name.replace("-{}", "") + ".index.json")).write_text(json.dumps(index))


def _write(file, tensors):
    if file.suffix == ".safetensors":
        save_file(tensors, file, metadata={"format": "pt"})
    else:
        torch.save(tensors, file)


def write_code(folder):
    """Code as published repositories bring along; if it runs, a file `ran` appears. Gives the
    entry of the configuration that names it."""
    code = f"open({str(folder / 'ran')!r}, 'w').close()\nraise RuntimeError('code ran')\n"
    for name in ("modeling_prm", "configuration_prm"):
        (folder / f"{name}.py").write_text(code)
    autos = dict.fromkeys(("AutoModel", "AutoModelForCausalLM"), "modeling_prm.Model")
    return {"AutoConfig": "configuration_prm.Config", **autos}


def save_tokenizer(tokenizer, folder):
    tokenizer.save_pretrained(folder)


class Published:
    """A family's checkpoint in a folder called as on the hub, beside it the other models that it
    needs, the plain models of all, and what `surefoot.load` makes of it."""

    def __init__(self, name, root, plain=None):
        self.name = name
        self.family = FAMILIES[name]
        self.plain = plain or Plain(self.family)
        self.reference = None
        self.options = {} if self.family.is_named else {"profile": name}
        self.folder = self.plain.save(root)
        if self.family.adapter is not None:
            self.options["base"] = base_of(self.plain, root / "base")
        if self.family.rule in (rules.eurus, rules.implicit_llama):
            self.reference = Plain(self.family, seed=1)
            self.options["reference"] = base_of(self.reference, root / "reference")
        self.model = self.load()

    def load(self, **options):
        return surefoot.load(self.folder, **self.options, **options)

    def wanted(self, problem, steps, **rest):
        """The scores by the published rule."""
        if self.reference is not None:
            return self.plain.ratios(self.reference, problem, steps)
        return self.plain.scores(problem, steps, **rest)
