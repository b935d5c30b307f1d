"""Tiny random checkpoints of every published family, in the layout that its authors published, and
the plain model of each to compare with.

Weights are large, so that different texts get clearly different scores. Wherever a published
repository brings code along, so do these; it leaves a trace if it ever runs.
"""

import copy
import json
import shutil

import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

import published_rules as rules
import surefoot
from published_families import FAMILIES
from published_heads import HIDDEN, direction
from published_rules import Authors
from published_tokenizers import with_ids

POSITIONS = 16_384


class Plain:
    """The plain transformers model of a family and its head, one row at a time."""

    def __init__(self, family, seed=0):
        self.family = family
        self.tokenizer = with_ids(family.body.tokenizer(), family.ids)
        self.authors = Authors(self.tokenizer)
        highest = max(self.tokenizer.get_vocab().values())
        self.config = {
            "architectures": [architecture(family)],
            "model_type": family.body.kind.lower(),
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
            **family.body.config,
            **family.settings,
        }
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.model = self._random()
            self.head = {
                name: _published(torch.randn(shape) * 0.3)
                for name, shape in (family.head.shapes if family.head else {}).items()
            }
            if family.rule is rules.llemma:
                rows = _published(torch.randn(2, HIDDEN))
                count = self.config["vocab_size"] // 2
                self.model.lm_head.weight.data = rows.repeat_interleave(count, 0)
            self.adapted = self._adapted() if family.adapter else None

    def _adapted(self):
        """The model with random LoRA layers; the head of a classifier is among its weights."""
        model = copy.deepcopy(self.model)
        if self.family.head is not None:
            model = self._random(self.family.architecture, num_labels=2)
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
        if self.family.head is not None:
            self.head |= self.family.head.decided(self.head, states, gaps)
        for model in filter(None, (self.model, self.adapted)):
            if self.family.head is None:
                self._decide_words(model.get_output_embeddings().weight.data, states, gaps)
            elif model is self.adapted:
                model.base_model.model.score.modules_to_save["default"].load_state_dict(
                    {name.rpartition(".")[2]: one for name, one in self.head.items()}
                )

    def _decide_words(self, weight, states, gaps):
        wanted = direction(states, gaps)
        if self.family.pair is None:
            weight[:] = wanted
        else:
            bad, good = (self.token(text) for text in self.family.pair)
            weight[bad], weight[good] = -wanted / 2, wanted / 2

    @torch.no_grad()
    def log_probs(self, ids):
        """Of every token but the first."""
        logits = self.model(torch.tensor([ids])).logits[0, :-1]
        return logits.log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0].double()

    def save(self, root):
        """The checkpoint, in a folder called as on the hub; gives that folder."""
        folder = root / self.family.folder
        folder.mkdir(parents=True)
        self.tokenizer.save_pretrained(folder)
        if self.adapted is not None:
            self.adapted.save_pretrained(folder, save_embedding_layers=False)
            return folder
        tensors = {name: one.bfloat16() for name, one in self.model.state_dict().items()}
        if not self.family.has_lm_head:
            del tensors["lm_head.weight"]
        tensors |= {name: torch.randn(shape) for name, shape in self.family.more.items()}
        if self.family.head_file is None:
            tensors |= self.head
        else:
            content = {name.rpartition(".")[2]: one for name, one in self.head.items()}
            torch.save(content, folder / self.family.head_file)
        write_weights(folder, self.family.weights, tensors)
        code = {"auto_map": write_code(folder)} if self.family.code else {}
        (folder / "config.json").write_text(json.dumps({**self.config, **code}, indent=2))
        return folder

    def save_base(self, folder):
        """The language model alone, as the base of an adapter or as a reference; gives its
        folder."""
        folder.mkdir(parents=True)
        self.tokenizer.save_pretrained(folder)
        tensors = {name: one.bfloat16() for name, one in self.model.state_dict().items()}
        write_weights(folder, "model.safetensors", tensors)
        config = {**self.config, "architectures": [self.family.body.kind + "ForCausalLM"]}
        (folder / "config.json").write_text(json.dumps(config, indent=2))
        return folder

    def save_other_adapter(self, folder):
        """Put an adapter that has nothing to do with scores into a folder."""
        other = LoraConfig(
            task_type="CAUSAL_LM",
            target_modules=["q_proj", "embed_tokens"],
            init_lora_weights=False,
        )
        other = get_peft_model(copy.deepcopy(self.model), other)
        other.save_pretrained(folder, save_embedding_layers=False)

    def _random(self, task="ForCausalLM", **more):
        settings = getattr(transformers, self.family.body.kind + "Config")(**self.config, **more)
        settings.dtype = torch.float32
        model = getattr(transformers, self.family.body.kind + task)(settings).eval()
        for name, one in model.named_parameters():
            scale = 0.15 if "embed_tokens" in name else 0.4
            one.data = _published(torch.randn(one.shape) * scale + name.endswith("norm.weight"))
        return model


def architecture(family):
    """What `config.json` calls it."""
    is_ours = family.architecture.startswith("For")
    return family.body.kind + family.architecture if is_ours else family.architecture


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


def rewrite(file, change):
    """Change the tensors of a file."""
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


def write_code(folder):
    """Code as published repositories bring along; if it runs, a file `ran` appears. Gives the
    entry of the configuration that names it."""
    code = f"open({str(folder / 'ran')!r}, 'w').close()\nraise RuntimeError('code ran')\n"
    for name in ("modeling_prm", "configuration_prm"):
        (folder / f"{name}.py").write_text(code)
    autos = dict.fromkeys(("AutoModel", "AutoModelForCausalLM"), "modeling_prm.Model")
    return {"AutoConfig": "configuration_prm.Config", **autos}


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
            self.options["base"] = self.plain.save_base(root / "base")
        if name == "medsss-prm":
            self.plain.save_other_adapter(root / "base")
        if self.family.is_ratio:
            self.reference = Plain(self.family, seed=1)
            self.options["reference"] = self.reference.save_base(root / "reference")
        self.model = self.load()

    def copied(self, folder):
        """A copy of the checkpoint under another name; gives that folder."""
        return shutil.copytree(self.folder, folder)

    def load(self, **options):
        return surefoot.load(self.folder, **self.options, **options)

    def wanted(self, problem, steps, **rest):
        """The scores by the published rule."""
        if self.reference is not None:
            return self.plain.ratios(self.reference, problem, steps)
        return self.plain.scores(problem, steps, **rest)
