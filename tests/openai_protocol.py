"""A local writer behind the OpenAI protocol, for tests with a real server."""

from __future__ import annotations

import torch

from surefoot.policies.chat import ChatEncoder
from surefoot.policies.writer import Message, Request


class Protocol:
    """A local writer behind the OpenAI protocol, as vLLM serves it."""

    def __init__(self, writer):
        self.writer = writer

    def __call__(self, request):
        body = request.body
        asked = self.ids(body) if request.path == "/v1/completions" else self.chat_ids(body)
        if body.get("logprobs"):
            return self.choose(asked, body)
        stop = body.get("stop", ())
        tokenizer = self.writer.tokenizer
        limit, out = body["max_tokens"], []
        while len(out) < limit and tokenizer.eos_token_id not in out:
            out.append(int(self.logprobs(asked + out).argmax()))
            if any(text in tokenizer.decode(out) for text in stop):
                break
        text = tokenizer.decode(out, skip_special_tokens=True)
        ended = tokenizer.eos_token_id in out or any(one in text for one in stop)
        places = [text.find(one) for one in stop if one in text]
        text = text[: min(places)] if places else text
        choice = {"finish_reason": "stop" if ended else "length"}
        choice |= {"text": text} if "prompt" in body else {"message": {"content": text}}
        return self.answer(choice, len(asked), len(out))

    def choose(self, ids, body):
        tokenizer, is_chat = self.writer.tokenizer, "messages" in body
        top = self.logprobs(ids).topk(body["top_logprobs"] if is_chat else body["logprobs"])
        named = {
            tokenizer.decode([i]): p
            for i, p in reversed(list(zip(top.indices.tolist(), top.values.tolist(), strict=True)))
        }
        if not is_chat:
            return self.answer({"text": "?", "logprobs": {"top_logprobs": [named]}}, len(ids), 1)
        listed = [{"token": token, "logprob": p} for token, p in named.items()]
        content = {"content": [{"token": "?", "logprob": 0.0, "top_logprobs": listed}]}
        return self.answer({"message": {"content": "?"}, "logprobs": content}, len(ids), 1)

    def logprobs(self, ids):
        with torch.no_grad():
            return self.writer.model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)

    def ids(self, body):
        return body["prompt"]

    def chat_ids(self, body):
        messages = [Message(m["role"], m["content"]) for m in body["messages"]]
        prefill = ""
        if body.get("continue_final_message"):
            assert body["add_generation_prompt"] is False
            prefill = messages.pop().text
        return ChatEncoder(self.writer.tokenizer).encode(Request(tuple(messages), prefill))

    def answer(self, choice, prompt_tokens, completion_tokens):
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
        return {"object": "x", "choices": [choice], "usage": usage}
