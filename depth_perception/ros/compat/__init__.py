"""What differs between ROS installations: the only place that asks whether a package is there.

A module of this folder exports one thing under one name and signature, taken from the real package
where that is installed, else from a fall-back. Everything else imports from here.
"""
