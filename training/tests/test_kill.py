"""A fifth of `npm run train:kill`: a point by the clock and one in a write, in a folder and in S3 on loopback."""

from pathlib import Path

from tests.kill_points import loopback_bucket, measure


def test_killed_and_resumed_is_equal_bit_for_bit(tmp_path: Path) -> None:
    result = measure(tmp_path, points=2, seed=4, steps=4, s3=False)
    assert result["equal"] and result["killed"] == 2


def test_killed_in_uploads_and_resumed_is_equal_bit_for_bit(tmp_path: Path) -> None:
    with loopback_bucket():
        result = measure(tmp_path, points=2, seed=6, steps=4, s3=True)
    assert result["equal"] and result["killed"] == 2
