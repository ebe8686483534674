"""The Lambda extract: an uploaded photo becomes an invocation."""
