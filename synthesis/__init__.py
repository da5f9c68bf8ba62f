"""Pictures made by the project itself, with exact labels: displays, meters, photographs, lines."""
