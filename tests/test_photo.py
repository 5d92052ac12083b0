"""Image files of every colour and depth, and files that are none: right, or an error that says why."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from steelyard._photo import open_photo
from steelyard.errors import FileFormatError, MissingExtraError

RED, GREY = (200, 30, 60), (128, 128, 128)


def saved(tmp_path: Path, image: Image.Image, name: str, **options: object) -> Path:
    path = tmp_path / name
    image.save(path, **options)
    return path


def colour(path: Path, at: tuple[int, int] = (3, 3)) -> tuple[int, ...]:
    image, remark = open_photo(path)
    assert image.mode == "RGB"
    assert remark == ""
    found = image.getpixel(at)
    assert isinstance(found, tuple)
    return found


def near(found: tuple[int, ...], wanted: tuple[int, ...], by: int = 3) -> bool:
    return all(abs(a - b) <= by for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.tif", "a.ppm"])
def test_colours(tmp_path, name) -> None:
    assert near(colour(saved(tmp_path, Image.new("RGB", (16, 16), RED), name)), RED)


def test_the_content_counts_and_not_the_name(tmp_path) -> None:
    path = saved(tmp_path, Image.new("RGB", (16, 16), RED), "a.png").rename(tmp_path / "a.jpg")
    assert colour(path) == RED


@pytest.mark.parametrize(("mode", "value"), [("L", 128), ("1", 1), ("LA", (128, 255))])
def test_grey(tmp_path, mode, value) -> None:
    found = colour(saved(tmp_path, Image.new(mode, (16, 16), value), "a.png"))
    assert found == ((255, 255, 255) if mode == "1" else GREY)


def test_palettes(tmp_path) -> None:
    image = Image.new("RGB", (16, 16), RED).quantize(4)
    assert image.mode == "P"
    assert near(colour(saved(tmp_path, image, "a.png")), RED)
    assert near(colour(saved(tmp_path, image, "a.gif")), RED)


def test_cmyk(tmp_path) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 0, 0))
    assert near(colour(saved(tmp_path, image, "a.jpg")), (255, 0, 255), by=6)
    assert near(colour(saved(tmp_path, image, "a.tif")), (255, 0, 255))


def test_transparency_is_over_white(tmp_path) -> None:
    half = Image.new("RGBA", (16, 16), (*RED, 0))
    half.paste((*RED, 255), (0, 0, 8, 16))
    path = saved(tmp_path, half, "a.png")
    assert colour(path) == RED
    assert colour(path, at=(12, 3)) == (255, 255, 255)
    palette = Image.new("P", (16, 16), 0)
    palette.putpalette([0, 0, 0, *RED])
    path = saved(tmp_path, palette, "p.png", transparency=0)
    assert colour(path) == (255, 255, 255)


def test_sixteen_bits_of_grey(tmp_path) -> None:
    values = numpy.full((16, 16), 128 * 257, dtype=numpy.uint16)
    for name in ("a.png", "a.tif"):
        assert colour(saved(tmp_path, Image.fromarray(values), name)) == GREY
    (tmp_path / "a.pgm").write_bytes(b"P5 16 16 65535\n" + values.astype(">u2").tobytes())
    assert near(colour(tmp_path / "a.pgm"), GREY, by=1)


def test_sixteen_bits_of_colour(tmp_path) -> None:
    """Written by hand: Pillow cannot."""
    row = b"\0" + b"".join(struct.pack(">H", value * 257) for value in RED) * 8
    path = tmp_path / "a.png"
    path.write_bytes(png(8, 8, row * 8, depth=16, kind=2))
    assert near(colour(path), RED, by=1)


def png(width: int, height: int, raw: bytes, *, depth: int, kind: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_values_without_a_scale_are_refused(tmp_path) -> None:
    real = Image.fromarray(numpy.full((8, 8), 0.5, dtype=numpy.float32))
    with pytest.raises(FileFormatError, match=r"floating-point pixels.*\nexpected: 8 or 16 bits"):
        open_photo(saved(tmp_path, real, "a.tif"))
    wide = Image.fromarray(numpy.full((8, 8), 1 << 20, dtype=numpy.int32))
    with pytest.raises(FileFormatError, match="32-bit pixels"):
        open_photo(saved(tmp_path, wide, "b.tif"))


def test_colour_spaces_that_need_a_profile_are_refused(tmp_path) -> None:
    path = saved(tmp_path, Image.new("LAB", (8, 8), (128, 0, 0)), "a.tif")
    with pytest.raises(FileFormatError, match=r"colours in the space LAB\nexpected: RGB, CMYK"):
        open_photo(path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_as_exif_says(tmp_path, orientation) -> None:
    """The red corner of the scene, wherever the camera stored it, comes out at the top left."""
    scene = Image.new("RGB", (24, 16), "white")
    scene.paste(RED, (0, 0, 8, 8))
    # what a camera stores so that this orientation turns it back (Exif 2.3, tag 0x0112)
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }  # fmt: skip
    stored = scene
    for turn in undo.get(orientation, []):
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, stored, "a.png", exif=exif)
    image, _ = open_photo(path)
    assert image.size == (24, 16)
    assert image.tobytes() == scene.tobytes()


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_of_several_pictures_the_first(tmp_path, name) -> None:
    frames = [Image.new("RGB", (16, 16), c) for c in (RED, (0, 0, 0), (9, 200, 9))]
    options = {} if name.endswith("tif") else {"duration": 100}
    if name.endswith("webp"):
        options["lossless"] = True
    path = saved(tmp_path, frames[0], name, save_all=True, append_images=frames[1:], **options)
    image, remark = open_photo(path)
    assert remark == "the first of 3 pictures"
    assert near(image.getpixel((3, 3)), RED)  # type: ignore[arg-type]


def test_the_preview_in_a_phones_file_is_no_second_picture(tmp_path) -> None:
    frames = [Image.new("RGB", (16, 16), c) for c in (RED, (0, 0, 0))]
    path = saved(tmp_path, frames[0], "a.mpo", save_all=True, append_images=frames[1:])
    assert near(colour(path), RED)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.bmp", "a.tif", "a.ppm"])
def test_every_cut_is_noticed(tmp_path, name) -> None:
    noise = numpy.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=numpy.uint8)
    content = saved(tmp_path, Image.fromarray(noise), name).read_bytes()
    cut = tmp_path / f"cut-{name}"
    for part in (0, 10, 30, 50, 80):
        cut.write_bytes(content[: len(content) * part // 100])
        with pytest.raises(FileFormatError, match=r"is damaged or cut off|is no image"):
            open_photo(cut)


def test_too_many_pixels(tmp_path) -> None:
    """50,000 x 50,000 in a few hundred bytes: refused before anything is unpacked."""
    path = tmp_path / "bomb.png"
    path.write_bytes(png(50_000, 50_000, b"", depth=8, kind=2))
    with pytest.raises(
        FileFormatError, match=r"bomb\.png has too many pixels\nexpected: at most 178,956,970"
    ):
        open_photo(path)


def test_a_large_photograph_is_no_bomb(tmp_path) -> None:
    """10,000 x 10,000: Pillow would warn, and a phone may make it."""
    path = saved(tmp_path, Image.new("1", (10_000, 10_000), 1), "large.png")
    image, _ = open_photo(path)
    assert image.size == (10_000, 10_000)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jpg", b"", "is no image that can be read"),
        ("a.txt", b"a cat", r"is no image that can be read\nexpected: JPEG, PNG"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no image"),
        ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n", "is no image"),
        ("a.pdf", b"%PDF-1.4", "is no image"),
    ],
)  # fmt: skip
def test_no_images(tmp_path, name, content, says) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=says):
        open_photo(tmp_path / name)


def test_no_files(tmp_path) -> None:
    with pytest.raises(FileFormatError, match=r"cat\.jpg does not exist\nexpected: an image file"):
        open_photo(tmp_path / "cat.jpg")
    with pytest.raises(FileFormatError, match="is no regular file"):
        open_photo(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damage_is_never_more_than_an_error(tmp_path, data) -> None:
    kind = data.draw(st.sampled_from(["png", "jpeg", "gif", "webp", "tiff", "bmp"]))
    buffer = io.BytesIO()
    Image.new("RGB", (12, 9), RED).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.img"
    path.write_bytes(content)
    try:
        image, _ = open_photo(path)
    except FileFormatError:
        return
    assert image.mode == "RGB"


def test_without_pillow(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(
        MissingExtraError, match=r"reading images needs the package pillow.*\n.*\[images\]"
    ):
        open_photo(tmp_path / "a.jpg")
