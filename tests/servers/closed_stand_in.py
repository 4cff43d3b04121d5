"""Stand-ins for Anthropic's and Google's services, spoken to by their own client packages."""

from __future__ import annotations

from typing import Any

from stand_in import Received, StandIn


class _Anthropic(StandIn.handler):  # type: ignore[name-defined, misc]
    """Answers as platform.claude.com/docs/en/api/messages says."""

    def _document(self, asked: Received) -> dict[str, Any]:
        told = super()._document(asked)
        (choice,) = told["choices"]
        said, refused = choice["message"]["content"], choice["message"].get("refusal")
        usage = told.get("usage") or {}
        return {
            "id": f"msg_{told['id']}",
            "type": "message",
            "role": "assistant",
            "model": told["model"],
            "content": [] if refused else [{"type": "text", "text": said}],
            "stop_reason": "refusal" if refused else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": usage.get("prompt_tokens", 0), "output_tokens": 1},
        }


class AnthropicStandIn(StandIn):
    """The messages and the free count of tokens."""

    handler = _Anthropic

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Gemini(StandIn.handler):  # type: ignore[name-defined, misc]
    """Answers as ai.google.dev/api/generate-content says."""

    def _document(self, asked: Received) -> dict[str, Any]:
        told = super()._document(asked)
        (choice,) = told["choices"]
        model = self.path.rpartition("/")[2].partition(":")[0]
        parts = [{"text": choice["message"]["content"]}]
        candidate = {"content": {"parts": parts, "role": "model"}, "finishReason": "STOP"}
        if "safety" in self.server.faults and asked.size is not None:
            candidate = {"finishReason": "SAFETY", "index": 0}
        if "no text" in self.server.faults and asked.size is not None:
            candidate = {"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}
        gone = "no candidate" in self.server.faults and asked.size is not None
        document = {
            "candidates": [] if gone else [candidate],
            "modelVersion": self.server.says.get("model") or self.server.model_name(model),
            "responseId": told["id"],
        }
        usage = told.get("usage")
        if usage is None:
            return document
        prompt = usage["prompt_tokens"]
        image = usage.get("prompt_tokens_details", {}).get("image_tokens", 0)
        shares = [{"modality": "TEXT", "tokenCount": prompt - image}]
        if image:
            shares.append({"modality": "IMAGE", "tokenCount": image})
        metadata: dict[str, Any] = {
            "promptTokenCount": prompt,
            "candidatesTokenCount": 1,
            "totalTokenCount": prompt + 1,
        }
        if self.server.details:
            metadata["promptTokensDetails"] = shares
        return {**document, "usageMetadata": metadata}


class GeminiStandIn(AnthropicStandIn):
    """`models/NAME:generateContent`, counted by modality."""

    handler = _Gemini
