"""A receipt holds no free text where it leaves a conduit: what the control plane decodes must have its form."""

import msgspec
import pytest

from blubees.model.receipt import RunReceipt

RECEIPT = {
    "type": "run",
    "tenant": "t" + "0" * 24,
    "flow": "tell-team",
    "version": 1,
    "run": "r" + "0" * 26,
    "trigger": "webhook",
    "outcome": "failed",
    "accepted_at_milliseconds": 1,
    "started_at_milliseconds": 1,
    "duration_microseconds": 1,
    "payload_bytes": 1,
}


@pytest.mark.parametrize("step", ["", "post", "add/sum", "a/b/c/d/e/f"])
def test_a_failed_step_is_a_steps_name_or_its_path(step: str) -> None:
    assert msgspec.convert(RECEIPT | {"failed_step": step}, RunReceipt).failed_step == step


@pytest.mark.parametrize("step", ["Invalid value: ada@example.com", "a b", "a/", "/a", "a\n", "a" * 64, "A-1", "a/b/c/d/e/f/g"])
def test_another_text_is_refused(step: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(RECEIPT | {"failed_step": step}, RunReceipt)
