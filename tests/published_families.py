"""How every published family looks on disk, and its rule: one table."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import published_rules as rules
from published_heads import (
    ENSEMBLE,
    HIDDEN,
    MLP,
    Head,
    difference,
    linear,
    no_redundancy,
    raw,
    sigmoid,
    softmax,
    validity,
)
from published_tokenizers import llama2, llama3, qwen


@dataclass(frozen=True, eq=False)
class Body:
    """What a family's `config.json` says of its base, and a tokenizer of that kind."""

    kind: str
    config: dict[str, Any]
    tokenizer: Callable[[], Any]


_OF_QWEN2 = {"sliding_window": 4096, "use_sliding_window": False, "max_window_layers": 28}
_ROPE_OF_LLAMA3 = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
    "rope_type": "llama3",
}
QWEN2 = Body("Qwen2", {"rope_theta": 10000.0, "rms_norm_eps": 1e-6, **_OF_QWEN2}, qwen)
QWEN3 = Body("Qwen3", {"rope_theta": 1000000, "rms_norm_eps": 1e-6, "head_dim": 8}, qwen)
_OF_LLAMA = {"rms_norm_eps": 1e-5, "attention_bias": False}
LLAMA3 = Body(
    "Llama", {"rope_theta": 500000.0, "rope_scaling": _ROPE_OF_LLAMA3, **_OF_LLAMA}, llama3
)
LLAMA2 = Body("Llama", {"rope_theta": 10000, "rope_scaling": None, **_OF_LLAMA}, llama2)
DEEPSEEK = Body("Llama", {"rope_theta": 10000.0, "rope_scaling": None, **_OF_LLAMA}, qwen)
_OF_MISTRAL = {"rope_theta": 10000.0, "rms_norm_eps": 1e-5}
MISTRAL = Body("Mistral", {"sliding_window": 4096, **_OF_MISTRAL}, llama2)
NARROW = Body("Mistral", {"sliding_window": 64, **_OF_MISTRAL}, llama2)


@dataclass(frozen=True, kw_only=True)
class Family:
    """One published family. `pair` are the bad and the good answer of a language model's head,
    `tag` is what stands at the positions of its rule."""

    folder: str
    body: Body
    rule: Callable[..., list[rules.Row]]
    architecture: str = "ForCausalLM"
    """As in `config.json`; `For...` stands behind the name of the body."""
    ids: dict[str, int] = field(default_factory=dict)
    """Published ids of some tokens."""
    head: Head | None = None
    pair: tuple[str, str] | None = None
    tag: str | None = None
    is_named: bool = True
    """Whether the folder alone is enough to know it."""
    code: bool = False
    """Whether code comes along."""
    weights: str = "model.safetensors"
    """With `{}` in it there are two files and an index."""
    head_file: str | None = None
    more: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Further tensors that no score needs."""
    settings: dict[str, Any] = field(default_factory=dict)
    adapter: dict[str, Any] | None = None
    """Settings of LoRA."""
    has_lm_head: bool = True

    @property
    def is_ratio(self):
        """Whether it is compared with a reference model."""
        return self.rule in (rules.eurus, rules.implicit_llama)

    @property
    def is_bounded(self):
        """Whether its scores lie between two numbers."""
        return not self.is_ratio and (self.head is None or self.head.link is not raw)


def causal(folder, body, rule, pair=None, **rest):
    """Read with the head of the language model."""
    return Family(folder=folder, body=body, rule=rule, pair=pair, **rest)


def headed(folder, body, rule, head, architecture, **rest):
    """Read with a head of its own, without that of a language model unless it says so."""
    given = {"has_lm_head": False, **rest}
    return Family(
        folder=folder, body=body, rule=rule, head=head, architecture=architecture, **given
    )


def process(folder, rule, **rest):
    """Of the shape of Qwen2.5-Math-PRM."""
    given = {"code": True, "tag": "<extra_0>", **rest}
    return headed(folder, QWEN2, rule, MLP, "Qwen2ForProcessRewardModel", **given)


def reason_eval(folder, body, rule, link, **rest):
    bias, size = body is LLAMA2, {LLAMA2: "34B", MISTRAL: "7B"}[body]
    names = ("score_dim", "bias") if bias else ("score_dimension", "use_bias")
    settings = dict(zip(names, (3, bias), strict=True))
    head = linear("score_head", 3, link, bias=bias)
    return headed(folder, body, rule, head, f"ReasonEval_{size}", settings=settings, **rest)


_SIGNS, _SPACED, _WORDS = ("-", "+"), (" -", " +"), ("incorrect", "correct")
_TOKENS, _TEXTS = "ForTokenClassification", "ForSequenceClassification"
_OF_LLAMA3 = {" +": 489, " -": 482}
_BLANK_LINE = {"\n\n": 271}
_VERSA = {" \n\n\n\n": 23535, "+": 10, "-": 12}
_RLHFLOW = {"+": 10, "-": 12, "\n\n": 271, "assistant": 78191}
_RLHFLOW |= {"<|start_header_id|>": 128006, "<|end_header_id|>": 128007, "<|eot_id|>": 128009}
_LORA = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.1, "bias": "none"}
_MLP_LAYERS = ["gate_proj", "up_proj", "down_proj"]
_LINEAR = {**_LORA, "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", *_MLP_LAYERS]}
_MEDSSS = {**_LINEAR, "task_type": "TOKEN_CLS", "modules_to_save": ["classifier", "score"]}
_OPENR = {**_LORA, "task_type": "CAUSAL_LM", "target_modules": ["q_proj", "v_proj"]}
_ACT = {"num_ensemble": 3, "rr_token": "<extra_0>", "learning_probability": 1.0}

FAMILIES = {
    "actprm": headed(
        "ActPRM/ActPRM-X",
        QWEN2,
        rules.qwen_prm(rules.BOX),
        ENSEMBLE,
        "Qwen2ForEnsemblePRM",
        code=True,
        tag="<extra_0>",
        more={"score.reg_model.nn1.weight": (3, HIDDEN, 24), "score.reg_model.nn1.bias": (3, 24)},
        settings=_ACT,
    ),
    "agentprm-alfworld": headed(
        "rl-llm-agent/Llama-3.1-8B-Instruct-Reward-Alfworld-v0",
        LLAMA3,
        rules.agentprm,
        linear("score", 1, raw, bias=False),
        _TEXTS,
    ),
    "er-prm": causal(
        "HanningZhang/Llama3.1-Math-PRM", LLAMA3, rules.er_prm, _SPACED, ids=_OF_LLAMA3, tag=" ки"
    ),
    "eurusprm": causal("PRIME-RL/EurusPRM-Stage2", QWEN2, rules.eurus),
    "fin-prm": headed(
        "Fin/PRM",
        QWEN3,
        rules.fin_prm,
        MLP,
        "Qwen3ForProcessRewardModel",
        ids={"<extra_0>": 151669, "<extra_1>": 151670},
        code=True,
        tag="<extra_0>",
        settings={"alpha": 0.5, "num_labels": 2},
    ),
    "fover-llama": causal(
        "ryokamoi/Llama-3.1-8B-FoVer-PRM", LLAMA3, rules.fover, _WORDS, tag="\n\n"
    ),
    "fover-qwen": causal("ryokamoi/Qwen-2.5-7B-FoVer-PRM", QWEN2, rules.fover, _WORDS, tag="\n"),
    "hf-prm-0.2": headed(
        "HuggingFaceH4/Qwen2.5-Math-1.5B-Instruct-PRM-0.2",
        QWEN2,
        rules.trl("\n\n"),
        linear("score", 2, softmax),
        _TOKENS,
        ids=_BLANK_LINE,
        tag="\n\n",
    ),
    "implicitprm-llama": causal("Windy0822/ImplicitPRM_DPO", LLAMA3, rules.implicit_llama),
    "llemma-orm": causal(
        "ScalableMath/llemma-7b-orm-prm800k-level-1to3-hf",
        LLAMA2,
        rules.llemma,
        weights="pytorch_model.bin",
    ),
    "llemma-prm": causal(
        "ScalableMath/llemma-7b-prm-prm800k-level-1to3-hf",
        LLAMA2,
        rules.llemma,
        weights="pytorch_model-{}.bin",
    ),
    "math-minos": headed(
        "Minos/mistral",
        MISTRAL,
        rules.math_minos,
        linear("score", 1, raw),
        _TOKENS,
        is_named=False,
        tag="и",
    ),
    "math-shepherd": causal(
        "peiyi9979/math-shepherd-mistral-7b-prm",
        MISTRAL,
        rules.math_shepherd,
        _SIGNS,
        ids={"+": 648, "-": 387, "ки": 12902},
        weights="pytorch_model-{}.bin",
        tag="ки",
    ),
    "med-prm": causal(
        "dmis-lab/llama-3.1-medprm-reward-v1.0",
        LLAMA3,
        rules.med_prm("", "", "", before="Question: "),
        _SPACED,
        ids=_OF_LLAMA3,
        tag=" ки",
    ),
    "med-prm-documents": causal(
        "Med/documents",
        LLAMA3,
        rules.med_prm("relevant documents, the ", ",", " sequentially"),
        _SPACED,
        ids=_OF_LLAMA3,
        tag=" ки",
        is_named=False,
    ),
    "medsss-prm": headed(
        "pixas/MedSSS_PRM",
        LLAMA3,
        rules.medsss,
        linear("score", 2, softmax),
        _TOKENS,
        adapter=_MEDSSS,
    ),
    "openr-math-psa": causal(
        "openreasoner/Math-psa",
        QWEN2,
        rules.openr,
        _SPACED,
        ids={" \n\n\n\n\n": 76325, " +": 488, " -": 481},
        tag=" \n\n\n\n\n",
        adapter=_OPENR,
    ),
    "openrlhf": causal(
        "OpenRLHF/Mistral-7b-PRM-Math-Shepherd", NARROW, rules.openrlhf, _SIGNS, tag="ки"
    ),
    "pathfinder-prm": causal(
        "declare-lab/PathFinder-PRM-7B", QWEN2, rules.pathfinder, ("<->", "<+>")
    ),
    "pqm": headed(
        "Windy0822/PQM",
        DEEPSEEK,
        rules.pqm,
        linear("v_head.summary", 1, raw),
        "ForCausalLM",
        has_lm_head=True,
        tag="[PRM]",
    ),
    "prorag-prm": headed(
        "bmbgsj/ProRAG_PRM", QWEN3, rules.prorag, linear("score", 1, raw, bias=False), _TEXTS
    ),
    "pure-prm": headed(
        "jinachris/PURE-PRM-7B",
        QWEN2,
        rules.pure,
        linear("score", 2, difference),
        _TOKENS,
        ids=_BLANK_LINE,
        tag="\n\n",
    ),
    "qwen-prm800k": causal(
        "UW-Madison-Lee-Lab/Qwen-PRM800K",
        QWEN2,
        rules.versaprm,
        _SIGNS,
        ids={" \n\n\n\n": 22701, "+": 10, "-": 12},
        tag=" \n\n\n\n",
    ),
    "qwen2.5-math-prm": process(
        "Qwen/Qwen2.5-Math-PRM-7B",
        rules.qwen_prm(rules.BOX),
        ids={"<extra_0>": 151651},
        has_lm_head=True,
    ),
    "reasoneval-34b": reason_eval("GAIR/ReasonEval-34B", LLAMA2, rules.reasoneval(False), validity),
    "reasoneval-34b-redundancy": reason_eval(
        "Reason/34B", LLAMA2, rules.reasoneval(False), no_redundancy, is_named=False
    ),
    "reasoneval-7b": reason_eval("GAIR/ReasonEval-7B", MISTRAL, rules.reasoneval(True), validity),
    "reasoneval-7b-redundancy": reason_eval(
        "Reason/7B", MISTRAL, rules.reasoneval(True), no_redundancy, is_named=False
    ),
    "reasonflux-prm-1.5b": headed(
        "Gen-Verse/ReasonFlux-PRM-1.5B",
        QWEN2,
        rules.reasonflux_small,
        linear("reward_head", 1, sigmoid),
        "ForCausalLM",
        has_lm_head=True,
        head_file="reward_head.pt",
    ),
    "reasonflux-prm-7b": process(
        "Gen-Verse/ReasonFlux-PRM-7B", rules.qwen_prm(""), ids={"<extra_0>": 151651}
    ),
    "rlhflow-deepseek-data": causal(
        "RLHFlow/Llama3.1-8B-PRM-Deepseek-Data",
        LLAMA3,
        rules.rlhflow,
        _SIGNS,
        ids=_RLHFLOW,
        tag="\n\n",
    ),
    "rlhflow-mistral-data": causal(
        "RLHFlow/Llama3.1-8B-PRM-Mistral-Data",
        LLAMA3,
        rules.rlhflow,
        _SIGNS,
        ids=_RLHFLOW,
        tag="\n\n",
    ),
    "skywork-o1-open-prm": headed(
        "Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B",
        QWEN2,
        rules.skywork,
        linear("v_head.summary", 1, sigmoid),
        "Qwen2ForPrmModel",
        has_lm_head=True,
        weights="pytorch_model.bin",
        code=True,
        tag="\n",
    ),
    "trl": headed(
        "trl-lib/Qwen2-0.5B-Reward-Math-Sheperd",
        QWEN2,
        rules.trl("\n"),
        linear("score", 2, softmax),
        _TOKENS,
        tag="\n",
    ),
    "universal-prm": headed(
        "infly/Universal-PRM-7B",
        QWEN2,
        rules.universal,
        linear("score", 1, sigmoid, bias=False),
        "UniversalPRM",
        has_lm_head=True,
        weights="pytorch_model-{}.bin",
        code=True,
    ),
    "versaprm": causal(
        "UW-Madison-Lee-Lab/VersaPRM-Math-Subset",
        LLAMA3,
        rules.versaprm,
        _SIGNS,
        ids=_VERSA,
        tag=" \n\n\n\n",
        adapter={**_LINEAR, "task_type": "CAUSAL_LM"},
    ),
    "versaprm-base": causal(
        "UW-Madison-Lee-Lab/VersaPRM-Base-8B",
        LLAMA3,
        rules.versaprm,
        _SIGNS,
        ids=_VERSA,
        tag=" \n\n\n\n",
    ),
    "visualprm": causal("OpenGVLab/VisualPRM-8B", QWEN2, rules.visualprm, _SIGNS, tag="\n"),
}
