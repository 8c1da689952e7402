# Common tasks; `just` lists them.

_list:
    @just --list

# Bring the index up to date and serve the sample corpus on http://127.0.0.1:8080
serve *ARGS:
    cargo run --release -- serve {{ARGS}}

# One query against the index
search QUERY *ARGS:
    cargo run --release -- search {{QUERY}} {{ARGS}}

# What editors should fix in the corpus
check *ARGS:
    cargo run --release -- check {{ARGS}}

# Measure retrieval on a folder in BEIR layout
eval PACK *ARGS:
    cargo run --release -- eval {{PACK}} {{ARGS}}

# Everything that must pass before a change is merged
test *ARGS:
    scripts/test {{ARGS}}

# Tests of one area, quickly: `just t http::search`
t FILTER:
    cargo test {{FILTER}}

# Format all code
fmt:
    cargo fmt

# Accept changed snapshots of the wire shape; look at the diff before committing
snapshots:
    INSTA_UPDATE=always cargo test --test http

# Twenty minutes of edits, restarts and kills under load, every answer checked
soak *ARGS:
    cargo build --release
    scripts/soak {{ARGS}}

# A hundred thousand requests at random over all routes: how often something shows that must not
walk N="100000":
    ZHIKU_WALK={{N}} cargo test --release --test access -- --nocapture a_random_walk

# Benchmarks, all or one: `just bench retrieval`
bench *ARGS:
    cargo bench {{ARGS}}

# Forget the search index; it comes back from the corpus at the next start
forget:
    rm -rf index/search
