"""The Lambda notify: an ended job becomes a mail."""
