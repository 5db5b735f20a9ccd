"""BluBees."""
