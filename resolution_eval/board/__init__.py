"""The leaderboard: submissions checked against their own samples, and rows made from them."""
