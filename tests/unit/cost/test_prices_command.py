"""``penstock prices``: what is listed, what is old, and what sellers' recorded answers make of it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

import boto3
import pytest

from penstock.cost import CostSetting, bill, load_prices
from penstock.records import Host
from support.prices import TODAY, Told
from support.recorded import Answer, Asked, Recorded, serve_recorded
from support.runs import make_run


def test_prices_are_listed(told: Told, tmp_path: Path) -> None:
    code, out, _ = told("list", "--item", "g4dn.xlarge", "--region", "us-east-1")
    assert code == 0
    assert out.splitlines()[1].split()[:7] == [
        "g4dn.xlarge", "0.526", "USD", "hour", "on-demand", "us-east-1", "2026-10-01",
    ]  # fmt: skip
    (tmp_path / "own.yaml").write_text("prices:\n- {item: g4dn.xlarge, unit: hour, price: 0.4, currency: EUR}\n")
    _, out, _ = told("list", "--item", "G4DN.*", "--prices", tmp_path / "own.yaml", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (rows[0]["price"], rows[0]["currency"], rows[0]["as_of"]) == ("0.4", "EUR", None)
    assert {"g4dn.xlarge", "g4dn.12xlarge"} <= {row["item"] for row in rows}
    _, out, _ = told("list", "--item", "transfer-internet")
    lines = [re.split(r"  +", line)[:2] for line in out.splitlines()]
    assert lines[1:4] == [["transfer-internet", "0"], ["", "0.09 from 100"], ["", "0.085 from 10,240"]]
    code, out, _ = told("list", "--item", "Standard_NC24ads_A100_v4")  # as Azure and nodes' labels write it
    assert (code, out.splitlines()[1].split()[0]) == (0, "NC24ads_A100_v4")


def test_machines_are_listed(told: Told) -> None:
    _, out, _ = told("list", "--machines", "--item", "Standard_NC24ads_A100_v4", "--json")
    (row,) = map(json.loads, out.splitlines())
    assert (row["names"][0], row["gpu"], row["provider"]) == ("NC24ads_A100_v4", "A100", "azure")
    code, out, _ = told("list", "--machines", "--provider", "aws", "--item", "g4dn.xlarge")
    assert (code, "118.75" in out, "437.5" in out) == (0, True, True)
    for where in ("--region", "--to-region"):
        code, out, err = told("list", "--machines", where, "us-east-1")
        assert (code, out, "is the same everywhere" in err) == (2, "", True)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["list", "--item", "nothing", "--provider", "aws"], "there is no price of 'nothing' that aws asks: see"),
        (["check", "--region", "mars"], "there is no price in 'mars': see"),
        (["list", "--machines", "--item", "nothing"], "nothing is known of such a machine"),
        (["list", "--into", "x"], "asks nobody"),
        (["refresh", "--endpoint-url", "http://127.0.0.1:1"], "name --provider"),
        (["refresh", "--item", "nothing"], "nothing to ask for"),
    ],
)
def test_what_cannot_be_done_is_said(told: Told, words: list[str], named: str) -> None:
    code, out, err = told(*words)
    assert (code, out) == (2, "")
    assert named in err


def test_a_check_tells_what_is_old_and_what_is_wrong(told: Told, tmp_path: Path) -> None:
    code, out, _ = told("check", "--item", "a2-highgpu-2g", "--verbose")
    assert code == 0
    assert "old: a2-highgpu-2g per hour in europe-west4 (on-demand) is 625 days old" in out
    assert out.splitlines()[-1].startswith("5 prices, 2 older than 180 days")
    assert "1 price, 0 older" in told("check", "--item", "g6.xlarge")[1]
    told_briefly = told("check")[1].splitlines()
    sources = [line for line in told_briefly if line.startswith("old: ")]
    assert 1 < len(sources) < 30
    counts = [int(line.split()[1]) for line in sources]
    assert counts == sorted(counts, reverse=True)
    assert told_briefly[-1].endswith("--verbose names each")
    assert f" {sum(counts)} older than 180 days" in told_briefly[-1]
    assert len(told("check", "--verbose")[1].splitlines()) == sum(counts) + 1
    (tmp_path / "odd.yaml").write_text(
        "prices:\n- {item: box, unit: hour, price: 1, currency: EUR}\ndiscounts:\n- {items: 'g55.*', percent: 5}\n"
    )
    out = told("check", "--prices", tmp_path / "odd.yaml")[1]
    assert "odd.yaml:2: box is in EUR" in out
    assert "odd.yaml:4: a discount on 'g55.*', which nothing is called" in out
    (tmp_path / "bad.yaml").write_text("prices:\n- {item: x, unit: hour, price: much}\n")
    code, out, err = told("check", "--prices", tmp_path / "bad.yaml")
    assert (code, out) == (70, "")
    assert "bad.yaml:2: price is 'much'" in err
    (tmp_path / "bad.yaml").write_text(
        "prices:\n- {item: x, unit: hour, price: NaN}\n- {item: y, unit: hour, price: 1}\n"
        "- {item: z, unit: hours, price: 1}\ndiscounts:\n- {items: x, percent: -5}\n"
    )
    code, out, err = told("check", "--prices", tmp_path / "bad.yaml")
    assert (code, out, len(err.splitlines())) == (70, "", 1)
    for problem in ("bad.yaml:2: price is 'NaN'", "bad.yaml:4: unit is 'hours'", "bad.yaml:6: percent is '-5'"):
        assert err.count(problem) == 1


def _azure(asked: Asked) -> Answer:
    """As the retail price API answers, in two pages; Windows, spot and low priority among it."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(asked.path).query).items()}
    here = f"http://{asked.headers['host']}/api?page=2"
    common = {
        "currencyCode": "USD", "armRegionName": "eastus", "armSkuName": "Standard_NC24ads_A100_v4",
        "unitOfMeasure": "1 Hour", "type": "Consumption", "productName": "Virtual Machines NCads A100 v4 Series",
    }  # fmt: skip
    name = "NC24ads A100 v4"
    if query.get("page") == "2":
        rows: list[dict[str, Any]] = [{**common, "skuName": name, "retailPrice": 3.5}]
        return 200, json.dumps({"Items": rows, "NextPageLink": None}).encode()
    if "Standard_NC24ads_A100_v4" not in query["$filter"]:
        return 200, json.dumps({"Items": [], "NextPageLink": None}).encode()
    rows = [
        {**common, "skuName": name, "retailPrice": 7.9, "productName": "Virtual Machines NCads A100 v4 Series Windows"},
        {**common, "skuName": f"{name} Spot", "retailPrice": 1.25},
        {**common, "skuName": f"{name} Low Priority", "retailPrice": 0.7},
    ]
    return 200, json.dumps({"Items": rows, "NextPageLink": here}).encode()


def test_azure_is_asked_page_by_page(told: Told, tmp_path: Path) -> None:
    into = tmp_path / "azure.yaml"
    with serve_recorded(_azure) as server:
        words = ["--provider", "azure", "--region", "eastus", "--endpoint-url", f"{server.url}/api", "--into", into]
        code, out, err = told("refresh", "--item", "NC24ads_A100_v4", "--item", "NC40ads_H100_v5", *words)
    assert code == 0
    assert ["NC24ads_A100_v4", "on-demand", "eastus", "hour", "3.673", "3.5"] in [
        line.split() for line in out.splitlines()
    ]
    assert "no price of NC40ads_H100_v5 (on-demand) in eastus: Azure tells no such price" in err
    asked = unquote_plus(server.asked[0].path)
    assert "armRegionName eq 'eastus' and armSkuName eq 'Standard_NC24ads_A100_v4'" in asked
    assert "2 prices told: 0 as listed, 2 changed, 0 not listed before; 2 not told" in out
    assert f"price file {into}: 2 rows of today; give it" in out
    prices = load_prices(into, today=TODAY)
    assert prices.node("Standard_NC24ads_A100_v4").usd == Decimal("3.5")
    assert prices.node("NC24ads_A100_v4").as_of == TODAY
    assert prices.node("NC40ads_H100_v5").usd == Decimal("6.98")


def test_a_refreshed_file_keeps_its_other_rows_and_others_files_are_left(told: Told, tmp_path: Path) -> None:
    into, own = tmp_path / "found.yaml", tmp_path / "own.yaml"
    own.write_text("# mine\nprices: []\n")
    with serve_recorded(_azure) as server:
        words = ["--provider", "azure", "--region", "eastus", "--endpoint-url", f"{server.url}/api"]
        for item, at in (("NC24ads_A100_v4", into), ("NC24ads_A100_v4", own)):
            code, _, err = told("refresh", "--item", item, *words, "--into", at)
            assert code == (53 if at is own else 0)
        assert "own.yaml was not written by" in err
        server.answer = lambda asked: (
            200,
            b'{"Items": [{"retailPrice": 2, "skuName": "x", "unitOfMeasure": "1 Hour"}]}',
        )
        code, out, _ = told("refresh", "--item", "NC40ads_H100_v5", *words, "--into", into)
        assert (code, "1 row of today, beside 2 rows from before" in out) == (0, True)
    assert own.read_text() == "# mine\nprices: []\n"
    found = [(row.item, row.lifecycle) for row in load_prices(into).files[0].prices]
    on_demand, spot, other = found
    assert (on_demand, spot) == (("NC24ads_A100_v4", "on-demand"), ("NC24ads_A100_v4", "spot"))
    assert other == ("NC40ads_H100_v5", "on-demand")


@pytest.mark.parametrize(
    ("answer", "code", "named"),
    [
        ((503, b""), 3, "it answered with status 503"),
        ((403, b""), 21, "it answered with status 403"),
        ((200, b"<html>"), 3, "no JSON"),
        ((200, b"[]"), 3, "no list of prices"),
        ((200, b'{"Items": []}'), 25, "nobody told a price"),
        ((200, b'{"Items": {"a": 1}}'), 25, "nobody told a price"),
        ((200, b'{"Items": [7, null, {"retailPrice": "much", "unitOfMeasure": "1 Hour"}]}'), 25, "nobody told a price"),
        ((200, b'{"Items": [{"retailPrice": NaN, "unitOfMeasure": "1 Hour"}]}'), 25, "nobody told a price"),
        ((200, b'{"Items": [{"retailPrice": -1, "unitOfMeasure": "1 Hour"}]}'), 25, "nobody told a price"),
        ((200, b'{"Items": [{"retailPrice": 3, "currencyCode": "EUR", "unitOfMeasure": "1 Hour"}]}'), 25, "one in EUR"),
        ((200, b'{"Items": [], "NextPageLink": "http://elsewhere.example/x"}'), 25, "go on at another server"),
    ],
)
def test_what_a_seller_does_not_tell_is_no_price(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer, code: int, named: str
) -> None:
    monkeypatch.setattr("penstock.cost.refreshing.time.sleep", lambda seconds: None)
    into = tmp_path / "found.yaml"
    with serve_recorded(lambda asked: answer) as server:
        words = ["--provider", "azure", "--region", "eastus", "--endpoint-url", server.url, "--into", into]
        found, _, err = told("refresh", "--item", "NC24ads_A100_v4", *words)
    assert found == code
    assert named in err
    assert not into.exists()
    assert len(server.asked) == (3 if answer[0] == 503 else 1)


def test_a_seller_that_asks_to_be_left_alone_is_asked_again_when_it_says(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("penstock.cost.refreshing.time.sleep", pauses.append)
    answers: list[Answer] = [(429, b"", {"Retry-After": "7"}), (500, b"", {"Retry-After": "9999"})]
    with serve_recorded(lambda asked: answers.pop(0) if answers else _azure(asked)) as server:
        words = ["--provider", "azure", "--region", "eastus", "--endpoint-url", f"{server.url}/api"]
        code, out, _ = told("refresh", "--item", "NC24ads_A100_v4", *words)
    assert (code, "2 prices told" in out) == (0, True)
    assert pauses == [7.0, 60.0]


def test_a_page_of_more_than_a_mebibyte_is_read_whole(told: Told) -> None:
    """As Google's are: 500 SKUs of two to three KiB each."""
    filling = [{"skuName": "another", "retailPrice": 1, "note": "x" * 3000} for _ in range(500)]

    def answer(asked: Asked) -> Answer:
        page = json.loads(_azure(asked)[1])
        return 200, json.dumps({**page, "Items": [*filling, *page["Items"]]}).encode()

    with serve_recorded(answer) as server:
        words = ["--provider", "azure", "--region", "eastus", "--endpoint-url", f"{server.url}/api"]
        assert told("refresh", "--item", "NC24ads_A100_v4", *words)[0] == 0


def test_one_seller_that_does_not_answer_leaves_what_the_others_tell(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    found_before = boto3.Session(aws_access_key_id="nobody", aws_secret_access_key="nothing")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", found_before)
    into = tmp_path / "found.yaml"
    with serve_recorded(_azure) as server:
        monkeypatch.setattr("penstock.cost.refresh_azure.URL", f"{server.url}/api")
        code, out, err = told("refresh", "--item", "NC24ads_A100_v4", "--item", "g5.xlarge", "--into", into)
    assert code == 21
    assert "AWS does not tell prices without credentials" in err
    assert err.count("\n") < 5
    assert "2 prices told" in out
    assert {row.item for row in load_prices(into).files[0].prices} == {"NC24ads_A100_v4"}


def _sku(description: str, usage: str, price: str, regions: tuple[str, ...] = ("us-central1",)) -> dict[str, Any]:
    units, _, nanos = price.partition(".")
    rate = {"unitPrice": {"units": units, "nanos": int((nanos + "0" * 9)[:9]), "currencyCode": "USD"}}
    return {
        "description": description,
        "category": {"resourceFamily": "Compute", "usageType": usage},
        "serviceRegions": list(regions),
        "pricingInfo": [{"pricingExpression": {"usageUnit": "h", "tieredRates": [rate]}}],
    }


SKUS = [
    _sku("A2 Instance Core running in Americas", "OnDemand", "0.031611"),
    _sku("A2 Instance Ram running in Americas", "OnDemand", "0.004237"),
    _sku("Nvidia Tesla A100 GPU running in Americas", "OnDemand", "2.933908"),
    _sku("Nvidia Tesla A100 80GB GPU running in Americas", "OnDemand", "3.93"),
    _sku("A2 Instance Core running in Japan", "OnDemand", "0.04", ("asia-northeast1",)),
    _sku("Spot Preemptible A2 Instance Core running in Americas", "Preemptible", "0.01"),
    _sku("Spot Preemptible A2 Instance Ram running in Americas", "Preemptible", "0.002"),
    _sku("Nvidia Tesla A100 GPU attached to Spot Preemptible VMs running in Iowa", "Preemptible", "1"),
]


def test_google_machines_cost_the_sum_of_their_parts(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "a-key-of-nobody")

    def answer(asked: Asked) -> Answer:
        is_second = "pageToken=two" in asked.path
        page = {"skus": SKUS[4:]} if is_second else {"skus": SKUS[:4], "nextPageToken": "two"}
        return 200, json.dumps(page).encode()

    with serve_recorded(answer) as server:
        words = ["--provider", "gcp", "--region", "us-central1", "--endpoint-url", server.url]
        code, out, err = told("refresh", "--item", "a2-highgpu-1g", *words)
    assert code == 0
    rows = {tuple(line.split()[:2]): line.split()[-1] for line in out.splitlines()[1:]}
    assert Decimal(rows["a2-highgpu-1g", "on-demand"]) == Decimal("3.673385")
    assert Decimal(rows["a2-highgpu-1g", "spot"]) == Decimal("1.29")
    assert [asked.headers["x-goog-api-key"] for asked in server.asked] == ["a-key-of-nobody"] * 2
    assert "a-key-of-nobody" not in out + err + "".join(asked.path for asked in server.asked)


@pytest.fixture
def aws(aws_credentials: None) -> Iterator[Recorded]:
    with serve_recorded(_aws) as server:
        yield server


def _aws(asked: Asked) -> Answer:
    if b"DescribeSpotPriceHistory" in asked.body:
        rows = [("us-east-1a", "27.0", "10"), ("us-east-1a", "26.0", "09"), ("us-east-1b", "28.0", "10")]
        items = "".join(
            f"<item><instanceType>p5en.48xlarge</instanceType><productDescription>Linux/UNIX</productDescription>"
            f"<spotPrice>{usd}</spotPrice><timestamp>2026-11-20T{hour}:00:00.000Z</timestamp>"
            f"<availabilityZone>{zone}</availabilityZone></item>"
            for zone, usd, hour in rows
        )
        text = f"<DescribeSpotPriceHistoryResponse><spotPriceHistorySet>{items}</spotPriceHistorySet>"
        return 200, f"{text}</DescribeSpotPriceHistoryResponse>".encode()
    filters = {each["Field"]: each["Value"] for each in json.loads(asked.body)["Filters"]}
    usd = {"g5.xlarge": "1.0100000000", "p5en.48xlarge": "63.2960000000"}.get(filters["instanceType"])
    terms = [
        {"X.JRTCKXETXF": {"priceDimensions": {"X.J.6YS6EN2CT7": {"unit": "Hrs", "pricePerUnit": {"USD": each}}}}}
        for each in ("0.0000000000", usd)
        if each
    ]
    products = [json.dumps({"product": {}, "terms": {"OnDemand": term}}) for term in terms]
    return 200, json.dumps({"FormatVersion": "aws_v1", "PriceList": products}).encode()


def test_aws_is_asked_for_on_demand_and_for_spot(told: Told, aws: Recorded, tmp_path: Path) -> None:
    into = tmp_path / "aws.yaml"
    words = ["--provider", "aws", "--region", "us-east-1", "--endpoint-url", aws.url, "--into", into]
    code, out, _ = told("refresh", "--item", "g5.xlarge", "--item", "p5en.*", "--item", "g99.huge", *words)
    assert code == 0
    prices = load_prices(into, today=TODAY)
    assert prices.node("g5.xlarge").usd == Decimal("1.01")
    assert prices.node("p5en.48xlarge", lifecycle="spot").usd == Decimal("27.5")
    assert "g99.huge" in out
    assert b"g99.huge" not in into.read_bytes()
    filters = {each["Field"]: each["Value"] for each in json.loads(aws.asked[0].body)["Filters"]}
    assert (filters["regionCode"], filters["operatingSystem"], filters["tenancy"]) == ("us-east-1", "Linux", "Shared")
    assert filters["marketoption"] == "OnDemand"
    spots = [parse_qs(each.body.decode()) for each in aws.asked if b"SpotPriceHistory" in each.body]
    assert all(spot["StartTime"] == spot["EndTime"] for spot in spots)
    assert spots


def test_aws_that_lets_nobody_ask_is_told(told: Told, aws: Recorded) -> None:
    aws.answer = lambda asked: (400, b'{"__type": "AccessDeniedException", "message": "no"}')
    words = ["--provider", "aws", "--region", "us-east-1", "--endpoint-url", aws.url]
    code, _, err = told("refresh", "--item", "g5.xlarge", *words)
    assert code == 21
    assert "pricing:GetProducts" in err


NODES = {
    "gpu-1": {"minutes": 720, "cpuCost": 3.0, "ramCost": 1.0, "gpuCost": 8.0, "gpuCostAdjustment": -0.72, "pvCost": 99},
    "new": {"minutes": 1, "cpuCost": 0.1},
    "broken": {"minutes": 60, "cpuCost": "NaN"},
    "timeless": {"minutes": "NaN", "cpuCost": 1},
    "a text": "none",
    "__idle__": {"minutes": 1440, "cpuCost": 5.0},
}


@pytest.mark.parametrize("path", ["/allocation/compute", "/model/allocation"])
def test_a_clusters_own_books_are_asked(told: Told, tmp_path: Path, path: str) -> None:
    """OpenCost's, and Kubecost's; a bill of a run that recorded its node's name is made with them."""

    def answer(asked: Asked) -> Answer:
        if urlsplit(asked.path).path != path:
            return 404, b"not found"
        return 200, json.dumps({"code": 200, "data": [NODES]}).encode()

    into = tmp_path / "nodes.yaml"
    with serve_recorded(answer) as server:
        code, out, err = told("refresh", "--provider", "own", "--endpoint-url", f"{server.url}/", "--into", into)
    assert code == 0
    query = {name: values[0] for name, values in parse_qs(urlsplit(server.asked[-1].path).query).items()}
    assert (query["aggregate"], query["shareIdle"]) == ("node", "true")
    assert "no price of new" in err
    assert "no price of broken" in err
    assert "__idle__" not in out + err
    prices = load_prices(into, today=TODAY)
    assert prices.node("gpu-1").usd == Decimal("0.94")
    host = Host(num_cpus=4, device="g", num_devices=1, instance_type="g5.xlarge", node="gpu-1")
    run = make_run(host=host, wall_seconds=3600.0)
    report = bill(run, steps=[], evaluation=None, prices=prices, setting=CostSetting(today=TODAY))
    (line,) = [line for line in report.lines if line.unit == "hour"]
    assert (line.item, line.usd) == ("gpu-1", Decimal("0.94"))
    assert [line.item for line in report.lines if line.what == "Disk of the window"] == ["gp3"], "as its type has"
    listed = bill(run, steps=[], evaluation=None, prices=load_prices(today=TODAY), setting=CostSetting(today=TODAY))
    assert [line.item for line in listed.lines if line.unit == "hour"] == ["g5.xlarge"]


def _signed_in(header: str) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        if asked.headers.get("authorization") != header:
            return 401, asked.headers.get("authorization", "nobody").encode()
        return 200, json.dumps({"code": 200, "data": [NODES]}).encode()

    return answer


@pytest.mark.parametrize(
    ("header", "user", "token", "code"),
    [
        (f"Basic {b64encode('ada:pass/wörd@1'.encode()).decode()}", "ada:pass%2Fw%C3%B6rd%401@", "", 0),
        (f"Basic {b64encode(b'ada:right-one').decode()}", "ada:right-one@", "the-wrong-token", 0),
        (f"Basic {b64encode(b'ada:right-one').decode()}", "ada:wrong-one@", "", 21),
        ("Bearer right-token.1", "", "right-token.1\n", 0),
        ("Bearer right-token.1", "", "wrong-token.1", 21),
        ("Bearer right-token.1", "", "", 21),
        ("Bearer right-token.1", "", "right\ntoken.1", 2),
    ],
)
def test_a_cluster_that_asks_who_asks_is_told_and_nobody_else(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: str, user: str, token: str, code: int
) -> None:
    monkeypatch.setenv("PENSTOCK_OPENCOST_TOKEN", token)
    into = tmp_path / "nodes.yaml"
    with serve_recorded(_signed_in(header)) as server:
        url = server.url.replace("://", f"://{user}")
        found, out, err = told("refresh", "--provider", "own", "--endpoint-url", url, "--into", into, "-v")
    assert found == code, err
    assert into.exists() == (code == 0)
    shown = out + err + (into.read_text() if code == 0 else "")
    for secret in ("right-one", "wrong-one", "pass%2F", "pass/", "right", "wrong", header.partition(" ")[2]):
        assert secret not in shown


@pytest.mark.parametrize(
    "words",
    [
        ["own", "http://ada:sesame12@"], ["own", "ftp://ada:sesame12@h"], ["own", "ada:sesame12@h"],
        ["own", "http://ada:sesa/me12@h"], ["own", "http://ada:sesame12@h/?q=1"], ["azure", "http://ada:sesame12@h"],
        ["aws", "h:1"],
    ],
)  # fmt: skip
def test_what_is_no_server_is_refused_without_its_secret(told: Told, words: list[str]) -> None:
    code, out, err = told("refresh", "--provider", words[0], "--endpoint-url", words[1])
    assert (code, out) == (2, "")
    assert "--endpoint-url" in err
    assert not [part for part in ("sesame12", "me12", "sesa") if part in err]


@pytest.mark.parametrize(
    ("answer", "words", "code", "told_of"),
    [
        ((200, b'{"code": 200, "data": [{}]}'), (), 3, "tells of no node in the last 24 h: ask again"),
        ((200, b'{"code": 200, "data": [null]}'), (), 3, "tells of no node in the last 24 h: ask again"),
        ((200, b'{"code": 200, "data": [{"__idle__": {"minutes": 9}}]}'), (), 3, "tells of no node in the last 24 h"),
        ((404, b"not found"), (), 3, "there is no allocation API at http://127.0.0.1:"),
        ((200, json.dumps({"data": [NODES]}).encode()), ("--item", "cpu-*"), 2, "it tells of gpu-1, new, broken"),
    ],
)
def test_what_a_clusters_own_books_lack_is_said(
    told: Told, tmp_path: Path, answer: Answer, words: tuple[str, ...], code: int, told_of: str
) -> None:
    into = tmp_path / "nodes.yaml"
    with serve_recorded(lambda _: answer) as server:
        done, _, err = told("refresh", "--provider", "own", "--endpoint-url", server.url, "--into", into, *words)
    assert (done, into.exists()) == (code, False)
    assert told_of in err


def test_a_cluster_is_asked_where_it_is_named(told: Told) -> None:
    code, _, err = told("refresh", "--provider", "own")
    assert (code, "--endpoint-url" in err) == (2, True)
