"""Argon2id in a few threads beside the event loop, with a bounded queue before them."""

from __future__ import annotations

import asyncio
import base64
import os
from concurrent.futures import ThreadPoolExecutor

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from svc_social.identity.errors import HashingOverloaded


class PasswordHasher:
    """Hashes and checks passwords. Argon2 lets go of the interpreter lock, so threads are enough.

    The defaults are 19 MiB, two passes, one lane: the first recommendation of the OWASP password storage cheat sheet.
    """

    def __init__(self, *, memory_kib: int = 19_456, passes: int = 2, workers: int = 2, most_waiting: int = 64) -> None:
        self._argon2 = argon2.PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="argon2")
        self._most = workers + most_waiting
        self._under_way = 0
        salt, digest = (base64.b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (16, 32))
        self._nobody = f"$argon2id$v=19$m={memory_kib},t={passes},p=1${salt}${digest}"

    async def hash(self, password: str) -> str:
        """The password as it is stored. Raises HashingOverloaded."""
        return await self._run(password, None)

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the password is right; None stands for an account that does not exist and costs the same. Raises HashingOverloaded."""
        right = await self._run(password, password_hash or self._nobody)
        return bool(right) and password_hash is not None

    def close(self) -> None:
        """Let go of the threads; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, password: str, password_hash: str | None) -> str:
        if self._under_way >= self._most:
            raise HashingOverloaded(retry_after_ms=1_000)
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._work, password, password_hash)
        finally:
            self._under_way -= 1

    def _work(self, password: str, password_hash: str | None) -> str:
        """The new hash, or the given one when it fits and nothing when it does not."""
        if password_hash is None:
            return self._argon2.hash(password)
        try:
            self._argon2.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return ""
        return password_hash
