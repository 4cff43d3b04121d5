"""A placeholder: an answer that nobody reads, in the form of the provider that is asked."""

from __future__ import annotations

from typing import Any


def placeholder(path: str, model: str, text: str) -> dict[str, Any]:
    """An answer of `text` in the form that is expected at the path of an address: Anthropic's,
    Gemini's or OpenAI's.
    """
    if path.endswith("/messages"):
        return {
            "id": "0",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
    if path.endswith(":generateContent"):
        turn = {"role": "model", "parts": [{"text": text}]}
        return {"candidates": [{"content": turn, "finishReason": "STOP"}]}
    message = {"role": "assistant", "content": text}
    return {
        "id": "0",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
    }
