"""Amazon SQS's hooks: messages are received until there are no more, and deleted as a whole. Called by actions/perform.py."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from blubees.connectors.actions.perform import CallTools
from blubees.connectors.twins import perform_action
from blubees.model.failures import Failure

BATCH: Final = 10
"""docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference: what one call receives or deletes at most."""
MESSAGES_MAX: Final = 1_000
BYTES_MAX: Final = 16_777_216
"""Of a poll: its messages are held until their runs are accepted. One more batch may come on top."""
WAIT_SECONDS: Final = 1
"""With a wait all of SQS's servers are asked, else some: a message could seem not to be there."""
HIDDEN_SECONDS: Final = 300
"""For which nobody else gets them: longer than a poll may take (flows/firing.py), so that it deletes what is its own."""


async def receive_waiting(given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
    """Receive what waits in a queue, a batch after the other; gives what came when a later batch is refused."""
    asked = {
        "connection": given["connection"],
        "queue": given["queue"],
        "count": BATCH,
        "visibility_timeout": HIDDEN_SECONDS,
        "wait": WAIT_SECONDS,
        "attributes": ["All"],
        "system_attributes": ["All"],
    }
    found: dict[str, Any] = {}
    size = 0
    while len(found) < MESSAGES_MAX and size < BYTES_MAX:
        batch = await perform_action("amazon_sqs", "receive_messages", asked, tools)
        if isinstance(batch, Failure):
            return list(found.values()) if found else batch
        messages = batch.get("messages") or []
        if not messages:
            break
        found |= {each.get("MessageId", ""): _add_data(each) for each in messages}
        size += sum(len(each.get("Body", "")) for each in messages)
    return list(found.values())


async def delete_received(given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
    """Delete messages; one that can't be is received again, and known by its id."""
    receipts = [each["ReceiptHandle"] for each in given["messages"] if isinstance(each, dict) and each.get("ReceiptHandle")]
    deleted = 0
    for first in range(0, len(receipts), BATCH):
        entries = [{"Id": str(n), "ReceiptHandle": each} for n, each in enumerate(receipts[first : first + BATCH])]
        asked = {"connection": given["connection"], "queue": given["queue"], "messages": entries}
        done = await perform_action("amazon_sqs", "delete_messages", asked, tools)
        if isinstance(done, Failure):
            return done
        deleted += len(done.get("deleted") or [])
    return {"deleted": deleted}


def _add_data(message: dict[str, Any]) -> dict[str, Any]:
    """Give a message with its body read, where it is JSON: `data`."""
    try:
        return {**message, "data": orjson.loads(message.get("Body", ""))}
    except orjson.JSONDecodeError:
        return message
