"""Easel: pictures from words, in one small, fast, honest house."""
