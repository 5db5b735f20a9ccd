"""What customers write: document, check, versions, match."""
