"""What each of the broker's two users may publish and hear, in nats-server's words. Used by broker_child, broker_node.

The control plane can neither read runs nor put any: no NEXT and no ACK on RUNS, no subscription to its subjects,
and none to the inboxes in which conduits get theirs.
"""

from typing import Final

CONDUIT: Final = """\
publish: ["runs.>", "checkpoints.>", "$JS.API.STREAM.MSG.GET.CHECKPOINTS", "gates.>", "$JS.API.STREAM.MSG.GET.GATES",
          "traces.*.*", "$JS.API.STREAM.MSG.GET.TRACES",
          "claims", "mail.>", "$JS.API.STREAM.MSG.GET.MAIL", "receipts", "tokens.>", "lease.>", "seen.>",
          "parking.*", "sign_off.*", "replays.*.*", "$JS.API.STREAM.MSG.GET.REPLAYS", "$JS.API.CONSUMER.>",
          "$JS.API.STREAM.INFO.>",
          "$JS.API.STREAM.NAMES", "$JS.API.INFO", "$JS.ACK.>", "$JS.FC.>"],
subscribe: ["_INBOX.conduit.>"]
"""
CONTROL: Final = """\
publish: ["plans.>", "versions.>", "cancels.*.*", "settings.*", "waiters.*", "orders.*", "$JS.API.STREAM.CREATE.>",
          "$JS.API.STREAM.INFO.>", "$JS.API.CONSUMER.CREATE.>", "$JS.API.CONSUMER.DURABLE.CREATE.>",
          "$JS.API.CONSUMER.INFO.>", "$JS.API.CONSUMER.MSG.NEXT.RECEIPTS.>", "$JS.ACK.RECEIPTS.>",
          "$JS.API.STREAM.MSG.GET.PLANS", "$JS.API.STREAM.MSG.GET.SETTINGS",
          "$JS.API.STREAM.NAMES", "$JS.API.INFO", "_INBOX.conduit.>"],
subscribe: ["_INBOX.control.>", "lease.*", "seen.*", "parking.*", "sign_off.*"]
"""
