"""Deribit's wire: methods, structs, channels, error codes, and the units that are known nowhere else.

Milliseconds, percent and ``amount`` end here: what leaves is nanoseconds, decimals and signed quantities.
"""
