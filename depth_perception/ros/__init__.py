"""The ROS 2 nodes and what they need.

``executables``: entry points. ``nodes``: the nodes. ``inputs``: what they receive. ``outputs``:
what they publish. ``messages``: packing of messages, such as clouds. ``parameters``: their
parameters. ``bags``: recording and playing of bags. ``compat``: optional ROS packages.
``launching``: shared by the launch files.
"""
