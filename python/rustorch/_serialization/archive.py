"""The zip container of checkpoints: records stored as they are, each beginning at a multiple of 64 bytes.

::

    NAME/data.pkl                 the pickle: everything but the storages' bytes
    NAME/.format_version          1
    NAME/.storage_alignment       64
    NAME/byteorder                little
    NAME/data/0, NAME/data/1 ...  one record a storage
    NAME/version                  3
    NAME/.data/serialization_id   forty digits that depend on the contents
"""

import hashlib
import mmap
import os
import struct
import zipfile
from typing import Any, BinaryIO

from rustorch._serialization.errors import UnpicklingError

__all__ = ["ArchiveReader", "ArchiveWriter", "root_name"]

ALIGNMENT = 64
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_ZIP64_EXTRA = 20
_READS_VERSIONS = range(1, 11)


def _corrupt(why: object) -> RuntimeError:
    return RuntimeError(f"PytorchStreamReader failed reading zip archive: {why}")


class ArchiveReader:
    """A checkpoint's records.

    Raises:
        RuntimeError: the container is damaged, or no checkpoint.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error, EOFError) as error:
            raise _corrupt("failed finding central directory") from error
        infos = self._zip.infolist()
        self.nbytes = file.seek(0, os.SEEK_END)
        if not infos:
            raise _corrupt("the archive is empty")
        if sum(info.file_size for info in infos) > self.nbytes:
            raise _corrupt("its records claim more bytes than the file has")
        self._root = infos[0].filename.partition("/")[0]
        self._check_version()

    def _check_version(self) -> None:
        text = self.read("version") if self.has("version") else b"1"
        if not text.strip().isdigit() or int(text[:20]) not in _READS_VERSIONS:
            raise _corrupt(f"file format version {text[:20]!r} is not one of {_READS_VERSIONS.start} to 10")

    def has(self, record: str) -> bool:
        return f"{self._root}/{record}" in self._zip.NameToInfo

    def _info(self, record: str) -> zipfile.ZipInfo:
        try:
            info = self._zip.getinfo(f"{self._root}/{record}")
        except KeyError as error:
            raise RuntimeError(f"PytorchStreamReader failed locating file {record!s:.200}: file not found") from error
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size or info.flag_bits & 1:
            raise UnpicklingError(
                f"The record {record!s:.200} is compressed or encrypted; checkpoints store theirs plainly"
            )
        if not 0 <= info.header_offset <= self.nbytes - info.file_size:
            raise _corrupt(f"the record {record!s:.200} lies outside the file")
        return info

    def size(self, record: str) -> int:
        return self._info(record).file_size

    def read(self, record: str) -> bytes:
        into = bytearray(self.size(record))
        self.read_into(record, memoryview(into))
        return bytes(into)

    def read_into(self, record: str, into: memoryview) -> None:
        """Fills memory of the record's size."""
        try:
            with self._zip.open(self._info(record)) as source:
                reader: Any = source
                filled = 0
                while filled < len(into):
                    count = reader.readinto(into[filled : filled + (1 << 24)])
                    if not count:
                        raise _corrupt(f"the record {record!s:.200} is cut short")
                    filled += count
                source.read(1)  # at the end the checksum is compared
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error, EOFError) as error:
            raise _corrupt(error) from error

    def offset(self, record: str) -> int:
        """Where in the file the record's bytes begin."""
        info = self._info(record)
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
            raise _corrupt(f"the record {record!s:.200} has no header")
        *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        start = info.header_offset + _LOCAL_HEADER.size + name_length + extra_length
        if start + info.file_size > self.nbytes:
            raise _corrupt(f"the record {record!s:.200} is cut short")
        return start

    def map(self) -> mmap.mmap:
        """The whole file in memory, of which writes stay private."""
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_COPY)

    def close(self) -> None:
        self._zip.close()


class ArchiveWriter:
    """Writes records one after the other; :meth:`close` adds what every checkpoint ends with."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        self._root = name
        self._names = hashlib.sha256()
        self._checksums = hashlib.sha256()

    def write(self, record: str, data: "bytes | memoryview") -> None:
        name = f"{self._root}/{record}"
        info = zipfile.ZipInfo(name)  # dated 1980-01-01: equal contents give equal files
        info.file_size = len(data)
        large = len(data) >= 1 << 31
        info.extra = self._padding(len(name.encode()), _ZIP64_EXTRA if large else 0)
        with self._zip.open(info, "w", force_zip64=large) as out:
            for start in range(0, len(data), 1 << 24):
                out.write(data[start : start + (1 << 24)])
        self._names.update(name.encode())
        self._checksums.update(struct.pack("<L", info.CRC))

    def _padding(self, name_length: int, other_extra: int) -> bytes:
        """An extra field ("FB", as PyTorch names it) that moves the record's first byte to a multiple of 64."""
        position = self._zip.fp.tell() if self._zip.fp else 0
        start = position + _LOCAL_HEADER.size + name_length + other_extra + 4
        length = -start % ALIGNMENT
        return struct.pack("<2sH", b"FB", length) + b"Z" * length

    def close(self) -> None:
        self.write("version", b"3\n")
        digits = [int.from_bytes(digest.digest()[:8], "little") for digest in (self._names, self._checksums)]
        self.write(".data/serialization_id", "".join(f"{number:020d}" for number in digits).encode())
        self._zip.close()


def root_name(file: Any) -> str:
    """The folder of the records: the file's name without its ending, ``archive`` for a file that has none."""
    if not isinstance(file, (str, os.PathLike)):
        return "archive"
    stem = os.path.splitext(os.path.basename(os.fspath(file)))[0]
    return stem if isinstance(stem, str) and stem.isascii() and stem else "archive"
