"""`open_photo`: an image file as 8-bit RGB, whatever its colours and depth, or an error that says why not."""

from __future__ import annotations

import os
import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.errors import FileFormatError, MissingExtraError

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
"""What is read; formats that need another program (EPS) or are no photographs are not."""

_COLOURS = ("RGB", "RGBX", "L", "1", "P", "CMYK", "YCbCr")

_FEW = "JPEG, PNG, WebP, GIF, BMP, TIFF, PPM or AVIF"


def open_photo(
    path: str | os.PathLike[str], content: bytes | None = None
) -> tuple[Image.Image, str]:
    """An image as it should be looked at, and a remark ("" where nothing was chosen).

    Turned as its EXIF orientation says; transparency over white; 16 bits scaled to 8; CMYK, palettes and
    grey as RGB, without colour profiles; of several pictures in a file the first.

    Args:
        path: the file, or the name that errors give to ``content``.
        content: the bytes of a file that is none of its own.

    Raises:
        FileFormatError: no such file, no image, damaged, cut off, more pixels than Pillow's limit, or
            values without an agreed scale (floating point, 32 bits).
        MissingExtraError: Pillow is not installed.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtraError("reading images", extra="images", package="pillow") from error
    file = Path(path)
    if content is None and not file.is_file():
        what = "is no regular file" if file.exists() else "does not exist"
        raise FileFormatError(f"{file} {what}", expected="an image file")
    try:
        with warnings.catch_warnings():
            # of a size that is large, but below the limit; and of odd tags, which do not matter here
            warnings.simplefilter("ignore")
            with Image.open(
                file if content is None else BytesIO(content), formats=_readable()
            ) as image:
                return _as_rgb(image, file), _remark(image)
    except FileFormatError:
        raise
    except UnidentifiedImageError as error:
        raise FileFormatError(f"{file} is no image that can be read", expected=_FEW) from error
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise FileFormatError(
            f"{file} has too many pixels", expected=f"at most {limit:,}", hint="a smaller copy"
        ) from error
    except MemoryError as error:
        raise FileFormatError(f"{file} does not fit into memory", hint="a smaller copy") from error
    except Exception as error:
        # a decoder meets damage in many ways: OSError, SyntaxError, ValueError, struct.error, EOFError ...
        raise FileFormatError(
            f"{file} is damaged or cut off: {str(error) or type(error).__name__}",
            expected="a whole image",
        ) from error


def _readable() -> tuple[str, ...]:
    """Of our formats those that this build of Pillow has."""
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _remark(image: Image.Image) -> str:
    # a phone's MPO holds the same photograph again, as a preview or for depth
    count = getattr(image, "n_frames", 1)
    return f"the first of {count} pictures" if count > 1 and image.format != "MPO" else ""


def _as_rgb(image: Image.Image, file: Path) -> Image.Image:
    from PIL import Image, ImageOps

    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        return _eight_bits(upright).convert("RGB")
    if upright.mode in ("I", "F"):
        low, high = upright.getextrema()
        # how Pillow reads some 16-bit images; wider ones do not say what is white
        if upright.mode == "I" and 0 <= float(low) <= float(high) <= 0xFFFF:  # type: ignore[arg-type]
            return _eight_bits(upright).convert("RGB")
        bits = "floating-point" if upright.mode == "F" else "32-bit"
        raise FileFormatError(
            f"{file} has {bits} pixels, which do not say what is black and white",
            expected="8 or 16 bits a channel",
        )
    if upright.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in upright.info:
        over = upright.convert("RGBA")
        white = Image.new("RGBA", over.size, "white")
        return Image.alpha_composite(white, over).convert("RGB")
    if upright.mode not in _COLOURS:
        raise FileFormatError(
            f"{file} has colours in the space {upright.mode}", expected="RGB, CMYK, YCbCr or grey"
        )
    return upright.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 0 to 65535 as 0 to 255."""
    import numpy
    from PIL import Image

    values = numpy.asarray(image).astype(numpy.uint32)
    return Image.fromarray(((values + 128) // 257).astype(numpy.uint8))
