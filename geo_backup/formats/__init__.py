"""Other people's formats, one module each: bytes in, fixes, calls or speeds out. Pure; no sockets, no clock."""
