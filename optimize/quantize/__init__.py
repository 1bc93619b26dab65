"""Quantization: quantizers, folding, quantization-aware training."""
