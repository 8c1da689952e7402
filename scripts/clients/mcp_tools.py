"""Lists and calls the tools with the Model Context Protocol's own client, with and without a handshake."""

import asyncio
import importlib.metadata
import sys

import httpx2
import jsonschema
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

URL, KEY = f"{sys.argv[1]}/mcp", sys.argv[2]


async def check(mode: str) -> str:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        async with Client(streamable_http_client(URL, http_client=http), mode=mode) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == {"search_knowledge", "get_document", "answer_question"}, tools

            async def call(name: str, **arguments):
                result = await client.call_tool(name, arguments)
                assert not result.is_error, result
                jsonschema.validate(arguments, tools[name].input_schema)
                jsonschema.validate(result.structured_content, tools[name].output_schema)
                links = [block.uri for block in result.content if block.type == "resource_link"]
                return result.structured_content, links

            found, links = await call("search_knowledge", query="退休金怎么领", limit=3)
            assert found["hits"] and links == [hit["uri"] for hit in found["hits"]], found
            hit = found["hits"][0]

            document, _ = await call("get_document", document_id=hit["document_id"])
            start, end = hit["citation"]["char_start"], hit["citation"]["char_end"]
            assert document["text"][start:end] == hit["text"], "a hit stands where it is cited"
            read = await client.read_resource(hit["uri"])
            assert read.contents[0].text == document["text"]
            assert (await client.list_resources()).resources
            assert (await client.list_resource_templates()).resource_templates

            reply, links = await call("answer_question", query="退休金一般几号打到卡上", style="short")
            assert reply["abstained"] == (reply["answer"] is None), reply
            assert bool(links) == bool(reply["citations"])
            wrong = await client.call_tool("search_knowledge", {"query": ""})
            assert wrong.is_error and "query" in wrong.content[0].text, wrong
            return client.protocol_version


for mode in ("auto", "legacy"):
    version = asyncio.run(check(mode))
    print(f"mcp {importlib.metadata.version('mcp')}: {mode}: protocol {version}, three tools called")
