"""The words of the control plane, by subject."""
