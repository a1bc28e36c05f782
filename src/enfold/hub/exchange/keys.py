"""The key that signs exports: ed25519 (RFC 8032), kept in the root of the hub for its owner's eyes only."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from enfold.errors import SettingsError

__all__ = ["KEY_FILE", "is_signed_by", "kept_key", "public_hex", "read_key", "trusted_key"]

KEY_FILE = "export-key.pem"
"""Name of the key in the root of a hub."""
_HEX = re.compile(r"[0-9a-fA-F]{64}")


def kept_key(root: Path) -> Ed25519PrivateKey:
    """The key of a hub, made when there is none; of two that make it at once, both get the same."""
    file = root / KEY_FILE
    if not file.exists():
        content = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        draft = root / f".{KEY_FILE}-{os.getpid()}-{os.urandom(6).hex()}"
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            with suppress(FileExistsError):
                os.link(draft, file)
        finally:
            draft.unlink(missing_ok=True)
    return read_key(file)


def read_key(file: Path) -> Ed25519PrivateKey:
    """A private key from a PEM file without a password.

    Raises:
        SettingsError: it cannot be read, or is a key of another kind.
    """
    try:
        found = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise SettingsError(f"the key {file} cannot be read: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, TypeError):
        raise SettingsError(f"{file} holds no private key in PEM form without a password") from None
    if not isinstance(found, Ed25519PrivateKey):
        raise SettingsError(f"{file} holds a key of another kind than ed25519")
    return found


def public_hex(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """The public key as 64 hex digits, which is what ``--trust`` takes."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()


def trusted_key(text: str) -> Ed25519PublicKey:
    """The key that ``--trust`` names.

    Raises:
        SettingsError: it is not 64 hex digits.
    """
    if not _HEX.fullmatch(text.strip()):
        raise SettingsError("--trust takes a public key of 64 hex digits, as `enfold hub key` prints it")
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text.strip()))


def is_signed_by(key: Ed25519PublicKey, signature: bytes, data: bytes) -> bool:
    """Whether ``data`` was signed with the private half of ``key``."""
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True
