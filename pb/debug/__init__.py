"""The dashboard: a web page of what the scheduler does, and a face to ask it for things."""
