"""The engines that answer for a packet what a policy decides."""
