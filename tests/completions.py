"""A server of completions and chats for tests: a real model behind the OpenAI protocol, sampled by
the seed of each request, with the manners of the servers there are."""

import math
import random

import torch


class Completions:
    """Answers requests with a local policy's model.

    Args:
        policy: Whose model and tokenizer.
        says: The field that says at which stop text it stopped, None if none does.
        keeps: Whether the stop text stays in what is given.
        gives_logprobs: Whether log-probabilities are given where they are asked for.
    """

    def __init__(self, policy, *, says="stop_reason", keeps=False, gives_logprobs=True):
        self.policy = policy
        self.says = says
        self.keeps = keeps
        self.gives_logprobs = gives_logprobs

    def __call__(self, request):
        body, tokenizer = request.body, self.policy.tokenizer
        if "messages" in body:
            asked = "".join(f"{one['content']}\n" for one in body["messages"])
        else:
            asked = body["prompt"]
        ids = tokenizer(asked)["input_ids"] if isinstance(asked, str) else list(asked)
        rng = random.Random(body["seed"])
        room = min(body["max_tokens"], 64 - len(ids))
        tokens, logprobs, reason, stopped = [], [], "length", None
        while len(tokens) < room:
            token, logprob = self._draw(ids + tokens, body["temperature"], rng)
            tokens.append(token)
            logprobs.append(logprob)
            text = tokenizer.decode([one for one in tokens if one != tokenizer.eos_token_id])
            stopped = next((one for one in body.get("stop") or () if one in text), None)
            if token == tokenizer.eos_token_id or stopped:
                reason = "stop"
                break
        if stopped:
            text = text[: text.index(stopped) + (len(stopped) if self.keeps else 0)]
        choice = {"finish_reason": reason}
        choice |= {"message": {"content": text}} if "messages" in body else {"text": text}
        if self.says:
            choice[self.says] = stopped
        if body.get("logprobs") and self.gives_logprobs:
            names = [tokenizer.decode([one]) for one in tokens]
            pairs = zip(names, logprobs, strict=True)
            choice["logprobs"] = (
                {"content": [{"token": name, "logprob": one} for name, one in pairs]}
                if "messages" in body
                else {"tokens": names, "token_logprobs": logprobs}
            )
        usage = {"prompt_tokens": len(ids), "completion_tokens": len(tokens)}
        return {"choices": [choice], "usage": usage}

    def _draw(self, ids, temperature, rng):
        with torch.no_grad():
            logprobs = self.policy.model(torch.tensor([ids])).logits[0, -1].double().log_softmax(-1)
        if temperature == 0:
            token = int(logprobs.argmax())
        else:
            weights = [math.exp(one / temperature) for one in logprobs.tolist()]
            (token,) = rng.choices(range(len(weights)), weights)
        return token, float(logprobs[token])
