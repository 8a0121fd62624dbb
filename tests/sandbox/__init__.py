"""Tests of the sandbox: real HTTP on loopback, real clients."""
