from pipecat.frames.frames import (
    ErrorFrame,
    FunctionCallResultFrame,
    LLMContextSummaryResultFrame,
    TextFrame,
)
from pipecat.utils.errors import ErrorCategory

from proxy.redact import SUMMARY_FAILED, TOOL_FAILED, redacted


def test_a_service_error_keeps_its_category_and_loses_its_text() -> None:
    error = redacted(ErrorFrame("401: key sk-1234 is wrong", category=ErrorCategory.QUOTA))
    assert isinstance(error, ErrorFrame)
    assert (error.error, error.category) == ("a service failed (quota)", ErrorCategory.QUOTA)
    unknown = redacted(ErrorFrame("boom"))
    assert isinstance(unknown, ErrorFrame)
    assert "unknown" in unknown.error


def test_a_tools_result_keeps_everything_but_the_exception() -> None:
    result = FunctionCallResultFrame("look", "1", {"a": 1}, "it did not work", error="KeyError: x")
    safe = redacted(result)
    assert isinstance(safe, FunctionCallResultFrame)
    assert (safe.error, safe.result, safe.arguments) == (TOOL_FAILED, result.result, {"a": 1})
    assert result.error == "KeyError: x"


def test_a_summarys_exception_stays() -> None:
    safe = redacted(LLMContextSummaryResultFrame("1", "", 0, error="timeout of https://x"))
    assert isinstance(safe, LLMContextSummaryResultFrame)
    assert safe.error == SUMMARY_FAILED


def test_everything_else_is_let_be() -> None:
    for frame in (TextFrame("x"), FunctionCallResultFrame("look", "1", {}, "found")):
        assert redacted(frame) is frame
