"""From messages to images, cameras and range measurements."""
