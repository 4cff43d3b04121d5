"""The leaderboard's site: static files made from the board's records, the same bytes every time.

SITE/
    *.html, style.css, scripts/, vendor/    as in `leaderboard/site`
    data/board.json                         every row and scope; what the first page needs
    data/scopes/, data/datasets/            one ranking each
    data/models/KEY.json                    one row with its curves
    data/answers/KEY/                       its answers, a hundred samples per file
"""
