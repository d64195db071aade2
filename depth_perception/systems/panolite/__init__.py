"""A small panoramic depth model of this project on EfficientNet-Lite."""
