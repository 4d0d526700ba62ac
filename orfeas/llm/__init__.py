"""Language models behind an OpenAI-compatible endpoint."""

from __future__ import annotations

from orfeas.llm.client import Answer, LanguageModel, Message, Settings

__all__ = ["Answer", "LanguageModel", "Message", "Settings"]
