"""The stand-in for vLLM's engine, held against vLLM's own source where its package is installed.

The source is read, not imported: it needs no GPU. Compared with vLLM 0.33.0 (PyPI's wheel) on
2026-11-28; where another version is installed, a field that it moved or lost fails here by name.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
from pathlib import Path

import pytest
from stand_in import USAGES
from test_engine_inputs import Feature, Item, Placeholders, StandInEngine, StandInProcessor

from resolution_eval.models.providers.usage import read_usage

FIELDS = {
    "multimodal/inputs.py": {
        "PlaceholderRange": ("length", "get_num_embeds"),
        "MultiModalKwargsItem": ("get_data",),
        "MultiModalFeatureSpec": ("data", "modality", "mm_hash", "mm_position"),
    },
    "v1/engine/__init__.py": {"EngineCoreRequest": ("mm_features", "prompt_token_ids")},
    "v1/engine/input_processor.py": {"InputProcessor": ("process_inputs",)},
    "v1/engine/llm_engine.py": {"LLMEngine": ("input_processor", "model_config", "add_request")},
    "entrypoints/llm.py": {"LLM": ("llm_engine", "chat", "generate")},
    "entrypoints/serve/engine/protocol.py": {
        "PromptTokenUsageInfo": ("multimodal_tokens", "cached_tokens"),
        "UsageInfo": ("prompt_tokens", "completion_tokens", "prompt_tokens_details"),
    },
}
"""What is read of vLLM, by file and class: annotations, methods, and attributes of `self`."""
STOOD_IN = {
    Placeholders: ("multimodal/inputs.py", "PlaceholderRange"),
    Item: ("multimodal/inputs.py", "MultiModalKwargsItem"),
    Feature: ("multimodal/inputs.py", "MultiModalFeatureSpec"),
    StandInProcessor: ("v1/engine/input_processor.py", "InputProcessor"),
    StandInEngine: ("v1/engine/llm_engine.py", "LLMEngine"),
}
OWN = {"fault", "seen", "grid"}
"""Attributes of the stand-ins that say how they misbehave, or what they are made of."""


@pytest.fixture(scope="module")
def source() -> Path:
    found = importlib.util.find_spec("vllm")
    if found is None or not found.submodule_search_locations:
        pytest.skip("vLLM is not installed: the stand-in was not held against its source")
    return Path(next(iter(found.submodule_search_locations)))


def definition(source: Path, file: str, name: str) -> ast.ClassDef:
    tree = ast.parse((source / file).read_text(encoding="utf-8"))
    (found,) = (
        node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == name
    )
    return found


def members(node: ast.ClassDef) -> set[str]:
    """Annotated fields, methods, and what is assigned to `self`, of the class itself."""
    found = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    for each in ast.walk(node):
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            found.add(each.target.id)
        for target in each.targets if isinstance(each, ast.Assign) else ():
            if isinstance(target, ast.Attribute) and getattr(target.value, "id", "") == "self":
                found.add(target.attr)
    return found


@pytest.mark.parametrize(
    ("file", "name"), [(file, name) for file, classes in FIELDS.items() for name in classes]
)
def test_every_field_that_is_read_is_vllms_own(source: Path, file: str, name: str) -> None:
    assert set(FIELDS[file][name]) <= members(definition(source, file, name))


@pytest.mark.parametrize("kind", STOOD_IN, ids=lambda kind: kind.__name__)
def test_a_stand_in_has_nothing_that_vllm_has_not(source: Path, kind: type) -> None:
    own = {name for name in vars(kind) if not name.startswith("_")}
    own |= set(getattr(kind, "__dataclass_fields__", ()))
    assert own - OWN <= members(definition(source, *STOOD_IN[kind]))


def test_the_engine_processes_each_question_once_before_it_is_queued(source: Path) -> None:
    node = definition(source, "v1/engine/llm_engine.py", "LLMEngine")
    (add,) = (n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "add_request")
    calls = [n for n in ast.walk(add) if isinstance(n, ast.Call)]
    named = [n.func.attr for n in calls if isinstance(n.func, ast.Attribute)]
    assert named.count("process_inputs") == 1
    processor = definition(source, "v1/engine/input_processor.py", "InputProcessor")
    (process,) = (
        n for n in processor.body if isinstance(n, ast.FunctionDef) and n.name == "process_inputs"
    )
    assert getattr(process.returns, "id", None) == "EngineCoreRequest"
    given = [argument.arg for argument in process.args.args][1:4]
    assert given == list(inspect.signature(StandInProcessor.process_inputs).parameters)[1:4]


def test_the_usage_of_the_stand_in_is_in_vllms_form(source: Path) -> None:
    told = USAGES["vllm"](25)["prompt_tokens_details"]
    node = definition(source, "entrypoints/serve/engine/protocol.py", "PromptTokenUsageInfo")
    assert set(told) <= members(node)
    usage = read_usage({"usage": {"prompt_tokens_details": told}})
    assert usage.image == 25 and "multimodal_tokens" in str(usage.image_field)
