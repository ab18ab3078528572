"""The Conference API: a small public-looking API of our own, so that the main job runs offline."""

from gatechat.demo.app import create_app

__all__ = ["create_app"]
