"""What a camera is told: where it is, how long to wait for it, and how to try again."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from weft.core.address import camera_address
from weft.core.errors import UsageError
from weft.spec.values import Duration, Part, PictureSize, Text, mistake


def _device(written: str) -> str:
    try:
        camera_address(written)
    except UsageError as error:
        raise mistake(error.what, error.cure) from None
    return written


Device = Annotated[Text, AfterValidator(_device)]
"""A device, its number, an address on the network or a video file."""


class CameraRetry(Part):
    """How a camera or a server that is gone is tried again.

    The wait doubles with each try that fails; chance takes off a share.
    """

    first: Duration = Field(default=0.5, description="The wait before the first try.")
    most: Duration = Field(default=30.0, description="The longest wait.")
    jitter: float = Field(
        default=0.3, ge=0, le=1, description="The share of a wait that chance takes off, so that not all come at once."
    )
    attempts: int | None = Field(
        default=None, ge=0, description="How many tries in a row may fail before the pipeline ends; no end if absent."
    )

    @model_validator(mode="after")
    def _ordered(self) -> CameraRetry:
        if self.first > self.most:
            raise mistake("begins with a wait longer than `most`", "make `first` the shorter one")
        return self


class CameraOptions(Part):
    """Where a camera is, and how to deal with it."""

    device: Device = Field(
        default="/dev/video0",
        min_length=1,
        repr=False,
        description="A device file or its number, an address such as `rtsp://…` or `http://…`, or a video file, which "
        "is played at its own speed.",
    )
    size: PictureSize | None = Field(default=None, description="The picture size to ask a device for, like `640x480`.")
    fps: float | None = Field(default=None, gt=0, le=1000, description="Frames per second to ask a device for.")
    transport: Literal["tcp", "udp"] | None = Field(
        default=None, description="How an RTSP server is to send: `tcp`, also where this is absent, or `udp`."
    )
    start: Duration = Field(default=15.0, description="How long the first picture of a connection may take.")
    stall: Duration = Field(
        default=5.0, description="After how long without a picture the camera counts as dead and is connected to anew."
    )
    retry: CameraRetry = Field(default_factory=CameraRetry, description="How long to wait before it is tried again.")
    loop: bool = Field(default=False, description="Play a file again and again.")

    @model_validator(mode="after")
    def _fits(self) -> CameraOptions:
        """What goes with which kind of camera, told before anything is opened."""
        address = camera_address(self.device)
        if address.kind != "device" and (self.size is not None or self.fps is not None):
            raise mistake("has `size` or `fps`, which are asked of devices alone", "set them in the camera")
        if self.transport is not None and not address.rtsp:
            raise mistake("has `transport`, which is for rtsp:// alone", "leave it out")
        if self.loop and address.kind != "file":
            raise mistake("has `loop`, which is for files alone", "leave it out")
        return self
