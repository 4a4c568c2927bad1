"""The courier: a short-lived process that takes notices to a channel and says what came of it."""
