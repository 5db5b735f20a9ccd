"""Rich text: Atlassian's document format (ADF) to and from Markdown, HTML and plain text. Pure; ADF is the hub."""
