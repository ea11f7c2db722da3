"""Serves one model over the Open Inference Protocol: what runs in a model pod."""
