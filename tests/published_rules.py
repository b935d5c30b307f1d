"""What the authors of published PRMs write for a trace and where they read, worked out anew.

Each rule builds whole texts as the authors' code does, with a mark where a score is read. The
special tokens of its tokenizer bear names that no user writes, so whatever stands in problems and
steps stays text and nothing of it is taken for a tag.
"""

import json
import re
from typing import NamedTuple

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

HERE = "\uf8ff"
"""The score is read at the token that ends just before this mark."""

BOX = "Please reason step by step, and put your final answer within \\boxed{}."
JUDGE = (
    "You are an evaluator assessing the logicality and validity of the reasoning in each step of "
    "the given explanation. In order to support the evaluation, the {}question{} and the "
    "explanation are provided{}. If the reasoning contains errors, output - after that step. If "
    "the reasoning in a step is logical and valid, output + after that step."
)
FOVER = (
    "** Problem **\n{}\n\n** Task **\nYour task is to evaluate the accuracy of each step in the "
    'provided solution to the above question. For each step, respond with "correct" if the '
    "reasoning is logically valid and mathematically sound, or if the step is a general statement "
    'or transition that does not contain reasoning. Respond with "incorrect" if the step includes '
    "any errors or flawed logic.\n\n** Sotluion **\n{}"
)
PATHFINDER = (
    "You are a Math Teacher. Given a question and a student's solution, evaluate the mathematical "
    "correctness, logic consistency of the current step and whether it will lead to the correct "
    "final solution\n\n Question: {}"
)
PRORAG = (
    "You are an assistant tasked with answering user questions by following a step-by-step "
    "reasoning process. Structure your entire response using the following special tokens and "
    "rules:\n- `<step>...</step>`: Use this to explain the logical reasoning for each step in your "
    "process. Each step should bring you closer to solving the user's query.\n"
    "- `<subquery>...</subquery>`: This block contains a specific question or sub-question that "
    "needs to be answered in order to progress. This is part of your reasoning, so make sure the "
    "subquery is clear and answerable.\n- `<retrieval>...</retrieval>`: This block contains "
    "information retrieved from external sources (such as a search engine) that help answer the "
    "subquery. It can contain factual data or direct quotes.\n- `<subanswer>...</subanswer>`: This "
    "block contains the answer to the preceding subquery. It's the most direct, concise answer "
    "that results from the retrieval.\n- `<answer>...</answer>`: This is the final, conclusive "
    "answer to the user's main question, derived by combining the steps and subanswers.\n\nNow, "
    "use this structure to answer the following user question:\n\nUser Question: {}\n"
)
VISUAL = (
    "You are an advanced AI assistant, designed to serve as a process supervision model. In this "
    "task, I will provide a problem statement followed by the first step of the solution process. "
    "For each subsequent turn, I will give you a new step in the solution. Your role is to assess "
    "whether the solution process is correct up to the current step.\n\n- In the **first round**, "
    "I will input the problem and the first step of the solution process.\n- In **each subsequent "
    "round**, I will provide the next step in the solution.\n\nFor each step, you should:\n\n"
    '- Respond with **"+"** if you believe the solution process is correct up to this step.\n'
    '- Respond with **"-"** if you detect any issues or errors in the process up to this step.\n\n'
    'Please note:\n- Only respond with **"+"** or **"-"**. Do not provide any additional '
    "explanations, comments, or justifications.\n\nYour task is to verify the accuracy and "
    "correctness of each step in the given solution process."
)


class Row(NamedTuple):
    """Token ids, and the positions at which scores are read."""

    ids: list
    positions: list


class Authors:
    """A tokenizer whose special tokens bear names that no user writes, and the same ids."""

    def __init__(self, tokenizer):
        names = sorted(tokenizer.get_added_vocab(), key=len, reverse=True)
        self._names = {name: chr(0xE000 + i) for i, name in enumerate(names)}
        text = tokenizer.backend_tokenizer.to_str()
        for name, private in self._names.items():
            text = text.replace(json.dumps(name), json.dumps(private))
        self.tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer.from_str(text),
            chat_template=self.own(tokenizer.chat_template or ""),
            **{kind: self.own(name) for kind, name in tokenizer.special_tokens_map.items()},
        )

    def own(self, text):
        """Text of the authors: the names of special tokens in it are those tokens."""
        for name, private in self._names.items():
            text = text.replace(name, private)
        return text

    def chat(self, *turns, opened=False):
        """Messages of (role, content) as text."""
        messages = [{"role": role, "content": content} for role, content in turns]
        return self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=opened
        )

    def ids(self, text, *, begin=False):
        """The ids of a text; `begin` leaves it to the tokenizer to add what it adds."""
        return self.tokenizer.encode(text, add_special_tokens=begin)

    def read(self, text, *, begin=False):
        """The row of a whole text with marks in it."""
        *pieces, rest = text.split(HERE)
        ends = [sum(map(len, pieces[: k + 1])) for k in range(len(pieces))]
        made = self.tokenizer(
            "".join(pieces) + rest, add_special_tokens=begin, return_offsets_mapping=True
        )
        offsets = list(enumerate(made["offset_mapping"]))
        return Row(
            made["input_ids"], [max(i for i, (a, b) in offsets if a < end <= b) for end in ends]
        )

    def lay(self, first, rest):
        """Ids laid end to end; each of the rest is read at its last."""
        ids, positions = list(first), []
        for one in rest:
            ids += one
            positions.append(len(ids) - 1)
        return [Row(ids, positions)]


def numbered(steps):
    is_numbered = re.compile(r"\s*step\s*\d+\s*[:.]", re.IGNORECASE)
    return [s if is_numbered.match(s) else f"Step {i}: {s}" for i, s in enumerate(steps, 1)]


def prefixes(steps):
    return [steps[: k + 1] for k in range(len(steps))]


def math_shepherd(t, problem, steps):
    text = problem + " " + "\n".join(f"{step} ки{HERE}" for step in numbered(steps))
    return [t.read(text, begin=True)]


def openrlhf(t, problem, steps):
    """As in training: without a begin token."""
    text = problem + " " + "\n".join(f"{step} ки{HERE}" for step in numbered(steps))
    return [t.read(text, begin=False)]


def er_prm(t, problem, steps):
    return [t.read(f"{problem} " + "".join(f"{s} ки{HERE}" for s in numbered(steps)), begin=True)]


def openr(t, problem, steps):
    tagged = [f"{step} \n\n\n\n\n{HERE}" for step in numbered(steps)]
    return [t.read(f"{problem} {' '.join(tagged)}", begin=True)]


def versaprm(t, problem, steps):
    """As in training: the question and each step by themselves."""
    first = t.ids(f"{problem} \n\n", begin=True)
    return t.lay(first, [t.ids(f"{step} \n\n\n\n") for step in steps])


def med_prm(*words, before=""):
    """The text of the chat already begins with the begin token; the tokenizer adds another."""

    def rule(t, problem, steps):
        explanation = " ".join(f"{step} ки{HERE}" for step in numbered(steps))
        user = f"{before}{problem}\n\nExplanation: {explanation}"
        text = t.chat(("system", JUDGE.format(*words)), ("user", user), opened=True)
        return [t.read(text, begin=True)]

    return rule


def rlhflow(t, problem, steps):
    turns = []
    for k, step in enumerate(steps):
        turns += [("user", step if k else f"{problem} {step}"), ("assistant", f"{HERE}+")]
    return [t.read(t.chat(*turns))]


def fover(t, problem, steps):
    turns = []
    for k, step in enumerate(steps):
        user = step if k else FOVER.format(problem, step)
        turns += [("user", user), ("assistant", f"{HERE}correct")]
    return [t.read(t.chat(*turns))]


def visualprm(t, problem, steps):
    turns = [("system", VISUAL)]
    for k, step in enumerate(steps):
        user = step if k else f"### Question:\n{problem}\n\n### Solution Process:\n{step}"
        turns += [("user", user), ("assistant", f"{HERE}+")]
    return [t.read(t.chat(*turns))]


def qwen_prm(system):
    def rule(t, problem, steps):
        answer = "".join(f"{step}{t.own('<extra_0>')}{HERE}" for step in steps)
        turns = [("system", system)] if system else []
        return [t.read(t.chat(*turns, ("user", problem), ("assistant", answer)))]

    return rule


def fin_prm(t, problem, steps):
    trace = "".join(f"{step}{t.own('<extra_0>')}{HERE}" for step in steps)
    text = f"##Question\n{problem}\n\n##Thinking Trajectory\n{trace}\n\n##Final Answer\n7"
    return [t.read(text + t.own("<extra_1>"), begin=True)]


def trl(separator):
    def rule(t, problem, steps):
        begin = [] if t.tokenizer.bos_token_id is None else [t.tokenizer.bos_token_id]
        return t.lay(begin + t.ids(problem), [t.ids(s) + t.ids(separator) for s in steps])

    return rule


def pure(t, problem, steps):
    return t.lay(t.ids(problem), [t.ids(step) + t.ids("\n\n") for step in steps])


def skywork(t, problem, steps):
    first = t.ids((t.tokenizer.bos_token or "") + problem + "\n")
    return t.lay(first, [[*t.ids(step), t.ids("\n")[-1]] for step in steps])


def pqm(t, problem, steps):
    query = (
        "Below is an instruction that describes a task.\nWrite a response that appropriately "
        f"completes the request.\n\n### Instruction:\n{problem}\n\n### Response: Let's think step "
        "by step"
    )
    tagged = [f"{step} {t.own('[PRM]')}{HERE}" for step in numbered(steps)]
    return [t.read(query + "\n" + "\n".join(tagged))]


def reasoneval(separator_is_begin):
    """Each step ends with a separator that is taken out again. Where it is the begin token, that is
    taken out too and put back after positions have been counted."""

    def rule(t, problem, steps):
        texts = [f"Question:\n{problem}\nAnswer:\nLet's think step by step.\n", *steps]
        pieces = [t.ids(text) for text in texts]
        begin = t.tokenizer.bos_token_id
        cut = begin if separator_is_begin else -1
        ids = [begin]
        for piece in pieces:
            ids += [*piece, cut]
        found, separators = [], 0
        for i, one in enumerate(ids):
            if one == cut:
                found.append(i - 1 - separators)
                separators += 1
        kept = [one for one in ids if one != cut]
        if separator_is_begin:
            return [Row([begin, *kept], found[2:])]
        return [Row(kept, found[1:])]

    return rule


def llemma(t, problem, steps):
    solution = "".join(f"{step.strip()}\n{HERE}\n" for step in steps)
    text = f"# Question\n\n{problem.strip()}\n\n# Solution\n\n{solution}"
    return [t.read(text, begin=True)]


def math_minos(t, problem, steps):
    solution = "".join(f"{step} и{HERE}\n" for step in numbered(steps))
    return [t.read(f"Human: {problem}\n\nAssistant:{solution}", begin=True)]


def medsss(t, problem, steps):
    first = t.ids(t.chat(("user", problem), opened=True))
    first += t.ids("Step 0: Let's break down this problem step by step.\n\n")
    return t.lay(first, [t.ids(f"{s}\n\n") for s in numbered(step.strip() for step in steps)])


def universal(t, problem, steps, reference="There is no reference answer for this question."):
    user = f"{problem}\n\n###\n\nThe reference answer is: {reference}"
    first = t.ids(t.chat(("system", "You are a helpful assistant."), ("user", user), opened=True))
    eos = [t.tokenizer.eos_token_id]
    rest = [t.ids("\n\n".join(some) + "\n\n") + eos for some in prefixes(steps)]
    return [row for one in rest for row in t.lay(first, [one])]


def reasonflux_small(t, problem, steps):
    texts = [problem + "\n\n".join(some) for some in prefixes(steps)]
    return [t.read(text + HERE, begin=True) for text in texts]


def agentprm(t, problem, steps):
    """The whole conversation, read at its last token."""
    answers = ["\n\n".join(some) for some in prefixes(steps)]
    texts = [t.chat(("user", problem), ("assistant", answer)) for answer in answers]
    return [t.read(text + HERE) for text in texts]


def prorag(t, problem, steps):
    first = t.own("<|im_start|>user\n") + PRORAG.format(problem)
    first += t.own("<|im_end|>\n<|im_start|>assistant\n<think>\n</think>\n")
    eos = t.tokenizer.eos_token
    return [t.read(first + "".join(some) + eos + HERE) for some in prefixes(steps)]


def pathfinder(t, problem, steps, signs=None):
    """One row for each step, read before each `<extra>`; with signs, one pair for each step, the
    rows of the second pass."""
    rows, slot = [], HERE + t.own("<extra>")
    for k, some in enumerate(prefixes(steps)):
        math, consistency = (slot, slot) if signs is None else map(t.own, signs[k])
        now = f"Current Step: {some[-1]} Math reasoning: {math}, Consistency: {consistency}"
        now += "" if signs is None else f", Correctness: {slot}"
        turns = [
            ("user", PATHFINDER.format(problem)),
            ("assistant", "\n\n".join([*some[:-1], now])),
        ]
        rows.append(t.read(t.chat(*turns)))
    return rows


def eurus(t, problem, steps):
    """Positions from the lengths of prefixes; the sums' place i belongs to token i + 1. The first
    position is that from which on tokens count."""
    steps = numbered(steps)
    ends = []
    for k in range(len(steps) + 1):
        text = t.chat(("user", problem), ("assistant", "\n\n".join(steps[:k]))).strip()
        ends.append(len(t.ids(text + ("\n\n" if 0 < k < len(steps) else ""))) - 2)
    ids = t.ids(t.chat(("user", problem), ("assistant", "\n\n".join(steps))))
    return [Row(ids, [ends[0], *(end + 1 for end in ends[1:])])]


def implicit_llama(t, problem, steps):
    """At the last token of each step, counted from the last token of the prompt."""
    steps = [f"{step}{HERE}" for step in numbered(step.strip() for step in steps)]
    return [t.read(t.chat(("user", problem), ("assistant", HERE + "\n\n".join(steps))))]
