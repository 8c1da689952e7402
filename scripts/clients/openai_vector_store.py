"""Searches with OpenAI's own library, as in one of its vector stores."""

import sys

import openai

client = openai.OpenAI(base_url=f"{sys.argv[1]}/v1", api_key=sys.argv[2], max_retries=0)

page = client.vector_stores.search("all", query="退休金怎么领", max_num_results=3)
found = list(page)
assert 0 < len(found) <= 3, found
for result in found:
    assert result.content[0].type == "text" and result.content[0].text, result
    assert 0 <= result.score <= 1 and result.attributes["title"], result
assert [r.score for r in found] == sorted((r.score for r in found), reverse=True)

department = found[0].attributes["department"]
narrow = client.vector_stores.search(
    department,
    query=["退休金怎么领", "怎么办理"],
    max_num_results=10,
    rewrite_query=True,
    ranking_options={"ranker": "auto", "score_threshold": 0.01},
    filters={
        "type": "and",
        "filters": [
            {"type": "in", "key": "kind", "value": ["faq", "guide"]},
            {
                "type": "or",
                "filters": [
                    {"type": "gte", "key": "effective_from", "value": "2020-01-01"},
                    {"type": "ne", "key": "title", "value": "没有这个标题"},
                ],
            },
        ],
    },
)
for result in narrow:
    assert result.attributes["department"] == department, result
    assert result.attributes["kind"] in ("faq", "guide"), result

for store, query, error in [
    ("没有此局", "退休金", openai.NotFoundError),
    ("all", "", openai.BadRequestError),
]:
    try:
        client.vector_stores.search(store, query=query)
        raise SystemExit(f"{store} {query!r} was answered")
    except error as refused:
        assert refused.body["message"] and refused.body["type"] == "invalid_request_error", refused.body

print(f"openai {openai.__version__}: {len(found)} + {len(list(narrow))} results, errors as documented")
