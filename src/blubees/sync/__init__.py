"""Record sync between applications. Its first file comes with the sync issue."""
