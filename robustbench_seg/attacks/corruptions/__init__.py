"""Common corruptions: the kinds and severities of ImageNet-C."""
