"""The stages of the calibration, and `resolve`; the sole home of `jwst`.

Loaded in the child process only.
"""
