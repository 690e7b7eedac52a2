"""Thin ROS 2 adapters around the core."""
