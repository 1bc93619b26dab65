"""What OpenAPI says is what happens: schemathesis tries to show otherwise."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from corallite.device.serve.guard.access import Access

pytestmark = pytest.mark.slow
TOKEN = "0123456789abcdef"
EXAMPLES = 12
CLASSIFY = "/v1/classify"
CAPTURE = "/v1/capture"
# No schema can say which bytes are an image: others are refused, as they should be.
NO_IMAGE = (400, 413)


@pytest.fixture(scope="module", autouse=True)
def images(jpeg):
    """What says image/jpeg and so on in the description is an image, often."""
    pictures = st.sampled_from([jpeg(), jpeg((0, 0, 255), (3, 500))])
    for kind in ("image/jpeg", "image/png", "image/webp"):
        schemathesis.openapi.media_type(kind, pictures)
    schemathesis.openapi.format("binary", pictures)


@pytest.mark.parametrize("token", [None, TOKEN])
def test_description_is_kept(make_client, token, capture, jpeg):
    capture.album.find("cup").add("1.jpg", jpeg())
    app = make_client(access=Access(token), capture=capture).app
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    tried = set()
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]
        tried.add(operation.path)

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case):
            answer = case.call(headers=headers)
            is_refused = answer.status_code in NO_IMAGE and case.path == CLASSIFY
            not_checked = [positive_data_acceptance] if is_refused else []
            case.validate_response(answer, headers=headers, excluded_checks=not_checked)

        check()
    assert tried >= {CLASSIFY, "/v1/state", "/stream.mjpg", "/metrics"}
    assert tried >= {CAPTURE, f"{CAPTURE}/photo", f"{CAPTURE}/record"}
