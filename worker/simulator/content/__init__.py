"""What is inside a message: drawn from the seed and the message's id whenever it is asked for, never stored."""

from .body import Attachment, Content, Link, content_of
from .details import detections, trace
from .picture import screenshot
from .raw import raw

__all__ = ["Attachment", "Content", "Link", "content_of", "detections", "raw", "screenshot", "trace"]
