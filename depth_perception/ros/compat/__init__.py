"""Differences between ROS installations: only here is it checked whether a package is installed.

A module of this folder exports names with one signature, from the real package where it is
installed, else a fallback. All other modules import them from here.
"""
