"""NATS JetStream in memory behind the broker ports: one file a port. Every stream has memory storage, and only that."""
