"""The body of a response: read and unpacked within a bound."""

import zlib

import aiohttp

_GZIP_OR_ZLIB, _RAW_DEFLATE = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS


async def read_body(response: aiohttp.ClientResponse, coding: str, limit: int) -> tuple[bytes, str]:
    """The unpacked body of at most `limit` bytes, or why there is none."""
    if coding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
        return b"", f"the answer is packed as {coding!r}, which was not asked for"
    unpacker = None if coding in {"", "identity"} else Unpacker(coding, limit)
    packed, pieces = 0, []
    async for piece in response.content.iter_any():
        packed += len(piece)
        if packed > limit:
            return b"", f"the answer is larger than the {limit} bytes allowed"
        pieces.append(piece if unpacker is None else unpacker.feed(piece))
        if unpacker is not None and unpacker.error:
            return b"", unpacker.error
    if unpacker is not None and packed and not unpacker.complete:
        return b"", "the answer broke off before its end"
    return b"".join(pieces), ""


class Unpacker:
    """Unpacks gzip of any number of members, zlib and raw deflate, and stops at a bound."""

    def __init__(self, coding: str, limit: int) -> None:
        # Some servers mean raw deflate by "deflate".
        self._raw_possible = coding == "deflate"
        self._limit = limit
        self._left = limit
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
        self.error = ""

    @property
    def too_large(self) -> bool:
        """Whether more came out than the bound allows."""
        return self._left < 0

    @property
    def complete(self) -> bool:
        """Whether what was fed ends with the end of a member."""
        return self._stream.eof

    def feed(self, data: bytes) -> bytes:
        """Unpack more. Sets `error` when the data is damaged or unpacks to too much."""
        plain = []
        while data and not self.error:
            if self._stream.eof:
                self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
            try:
                piece = self._stream.decompress(data, self._left + 1)
            except zlib.error:
                if not self._raw_possible:
                    self.error = "the answer is packed and cannot be unpacked"
                    break
                self._raw_possible, self._stream = False, zlib.decompressobj(_RAW_DEFLATE)
                continue
            self._raw_possible = False
            self._left -= len(piece)
            if self.too_large:
                self.error = f"the answer unpacks to more than the {self._limit} bytes allowed"
            plain.append(piece)
            data = self._stream.unused_data
        return b"".join(plain)
