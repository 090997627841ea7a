"""The file of a backup: what it holds comes back, and no other byte is taken for it."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import tarfile
import zlib
from pathlib import Path

import pytest

from rustybt.backup.container import (
    CHUNK,
    SEAL_BYTES,
    ArchiveReader,
    ArchiveWriter,
    Entry,
    file_chunks,
)
from rustybt.backup.errors import BackupError

FILES = {"manifest.json": b"{}", "home/a/b": b"x" * 513, "sealed/.env": b"", "home/c": b"y" * 512}
HERE = Path("some.tar.gz")


def packed(files: dict[str, bytes]) -> bytes:
    """Return an archive of *files*."""
    file = io.BytesIO()
    writer = ArchiveWriter(file)
    for name, data in files.items():
        writer.add(Entry(name, len(data)), iter([data] if data else []))
    writer.finish()
    return file.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    """Return the files in an archive."""
    reader, found = ArchiveReader(io.BytesIO(data), HERE), {}
    while entry := reader.entry():
        found[entry.name] = b"".join(reader.content(entry))
    return found


def sealed(body: bytes) -> bytes:
    """Return *body* with the checksum that a forger can make, too."""
    seal = packed({})[-SEAL_BYTES:]
    mine = hashlib.sha256(packed({})[:-SEAL_BYTES]).digest()
    return body + seal.replace(mine, hashlib.sha256(body).digest())


def forged(tar: bytes) -> bytes:
    """Return an archive around any *tar*."""
    return sealed(gzip.compress(tar))


def tar_of(*members: tarfile.TarInfo, form: int = tarfile.USTAR_FORMAT) -> bytes:
    """Return a tar of *members*, each of zeros."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)) if member.isreg() else None)
    return file.getvalue()


def member(name: str, **fields: object) -> tarfile.TarInfo:
    """Return a member *name* as backups have them, but for *fields*."""
    info = tarfile.TarInfo(name)
    info.mode = 0o600
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def test_what_is_packed_comes_back() -> None:
    """Names, order and contents are the same, also of empty files and of whole blocks."""
    assert list(unpacked(packed(FILES)).items()) == list(FILES.items())


def test_other_tools_unpack_it(tmp_path: Path) -> None:
    """The archive is a tar.gz: tar lists it, gzip finds nothing wrong with it."""
    archive = tmp_path / "some.tar.gz"
    archive.write_bytes(packed(FILES))
    listed = subprocess.run(
        ["/bin/tar", "-tzf", archive], capture_output=True, text=True, check=True
    )
    assert listed.stdout.split() == list(FILES)
    assert listed.stderr == ""


def test_every_flipped_bit_is_noticed() -> None:
    """Whichever bit of the file is another one, the archive is refused by its name."""
    data = packed(FILES)
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            with pytest.raises(BackupError, match=r"some\.tar\.gz cannot be believed"):
                ArchiveReader(io.BytesIO(bytes(changed)), HERE)


def test_every_cut_is_noticed() -> None:
    """Wherever the file ends too early, and where something follows it, it is refused."""
    data = packed(FILES)
    for end in range(len(data)):
        with pytest.raises(BackupError, match="cut off"):
            ArchiveReader(io.BytesIO(data[:end]), HERE)
    with pytest.raises(BackupError, match="cut off"):
        ArchiveReader(io.BytesIO(data + b"\0"), HERE)


@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        (member("a", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "symbolic link"),
        (member("a", type=tarfile.LNKTYPE, linkname="/etc/passwd"), "hard link"),
        (member("a", type=tarfile.DIRTYPE), "folder"),
        (member("a", type=tarfile.CHRTYPE, devmajor=1, devminor=3), "device"),
        (member("a", type=tarfile.BLKTYPE, devmajor=8), "device"),
        (member("a", type=tarfile.FIFOTYPE), "pipe"),
        (member("a", type=b"Z"), "member of the type b'Z'"),
        (member("a", mode=0o4755), "not one that backups have"),
        (member("a", uid=1000), "not one that backups have"),
        (member("a", linkname="/etc/passwd"), "not one that backups have"),
    ],
)
def test_members_that_are_no_plain_files_are_refused(hostile: tarfile.TarInfo, said: str) -> None:
    """Links, devices, pipes, folders, and headers of any other form are named and refused."""
    with pytest.raises(BackupError, match=said):
        unpacked(forged(tar_of(hostile)))


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_extended_headers_are_refused(form: int) -> None:
    """A header that would rename the next member, or be read into memory whole, is refused."""
    with pytest.raises(BackupError, match="of the type"):
        unpacked(forged(tar_of(member("n" * 300), form=form)))


def test_a_size_below_nothing_is_refused() -> None:
    """A negative size, which binary numbers in headers can have, is refused."""
    block = bytearray(member("a").tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = b"\xff" * 12
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    with pytest.raises(BackupError, match="not one that backups have"):
        unpacked(forged(bytes(block) + bytes(1024)))


@pytest.mark.parametrize(
    ("tar", "said"),
    [
        (b"x" * 512 + bytes(1024), "malformed"),
        (tar_of(member("a"))[:700], "ends too early"),
        (tar_of(member("a")) + b"more", "something behind its end"),
        (tar_of(member("a", size=5))[:517] + b"x" * 507 + bytes(1024), "something behind 'a'"),
        (member("\udce9").tobuf(tarfile.USTAR_FORMAT, errors="surrogateescape"), "malformed"),
        (b"", "ends too early"),
    ],
)
def test_a_tar_of_another_form_is_refused(tar: bytes, said: str) -> None:
    """Damaged headers, tars that end too early or late, and hidden bytes are refused."""
    with pytest.raises(BackupError, match=said):
        unpacked(forged(tar))


def test_what_does_not_unpack_is_refused() -> None:
    """A body that is no gzip, or two of them, is refused though its checksum is right."""
    tar = tar_of(member("a"))
    with pytest.raises(BackupError, match="does not unpack"):
        unpacked(sealed(b"no gzip at all"))
    with pytest.raises(BackupError, match="behind its end"):
        unpacked(sealed(gzip.compress(tar[:1536]) + gzip.compress(b"more")))


def test_memory_is_bounded_by_a_chunk() -> None:
    """A member of a gigabyte of zeros in a megabyte is read a chunk at a time."""
    size = 64 * CHUNK
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    info = member("bomb", size=size)
    body = [deflate.compress(info.tobuf(tarfile.USTAR_FORMAT))]
    body += [deflate.compress(bytes(CHUNK)) for _ in range(64)]
    data = sealed(b"".join([*body, deflate.compress(bytes(1024)), deflate.flush()]))
    reader = ArchiveReader(io.BytesIO(data), HERE)
    entry = reader.entry()
    assert entry == Entry("bomb", size)
    assert max(map(len, reader.content(entry))) <= CHUNK
    assert reader.entry() is None


@pytest.mark.parametrize(
    "name", ["n" * 101, "n" * 200 + "/" + "m" * 200, "\udce9", "é" * 60], ids=len
)
def test_names_that_no_archive_holds_are_refused(name: str) -> None:
    """A name that is too long or no text is an error when packing, not when restoring."""
    with pytest.raises(BackupError, match="no archive can hold"):
        ArchiveWriter(io.BytesIO()).add(Entry(name, 0), iter([]))


def test_a_file_of_another_size_is_refused() -> None:
    """A file that shrank since it was measured makes no archive."""
    with pytest.raises(BackupError, match="has 3 bytes"):
        ArchiveWriter(io.BytesIO()).add(Entry("a", 4), iter([b"abc"]))


def test_a_size_beyond_ustar_is_told_in_binary() -> None:
    """A file of 8 GiB and more has a header of one block that reads the same again."""
    file = io.BytesIO()
    with pytest.raises(BackupError, match="has 0 bytes"):
        ArchiveWriter(file).add(Entry("large", 8**11 + 5), iter([]))
    reader = ArchiveReader(io.BytesIO(sealed(gzip.compress(_large_header()))), HERE)
    assert reader.entry() == Entry("large", 8**11 + 5)


def _large_header() -> bytes:
    return member("large", size=8**11 + 5).tobuf(tarfile.GNU_FORMAT)


def test_a_part_of_a_file_is_read(tmp_path: Path) -> None:
    """Of a file that grows on, as much is read as was there."""
    path = tmp_path / "log"
    path.write_bytes(b"0123456789")
    assert b"".join(file_chunks(path, 4)) == b"0123"
    assert b"".join(file_chunks(path, 40)) == b"0123456789"
