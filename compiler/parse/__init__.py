"""From sources to resources: every value typed once, with its place; all findings are collected."""
