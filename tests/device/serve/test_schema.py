"""What OpenAPI says is what happens: schemathesis tries to show otherwise."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from corallite.device.serve.access import Access

pytestmark = pytest.mark.slow
TOKEN = "0123456789abcdef"
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


@pytest.fixture(autouse=True)
def images(jpeg):
    """What is described as an image, is one."""
    pictures = st.sampled_from([jpeg(), jpeg((0, 0, 255), (3, 500))])
    for kind in ("image/jpeg", "image/png", "image/webp"):
        schemathesis.openapi.media_type(kind, pictures)
    schemathesis.openapi.format("binary", pictures)


def check_operation(operation, mode, headers):
    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case):
        case.call_and_validate(headers=headers)

    check()


@pytest.mark.parametrize("token", [None, TOKEN])
def test_description_is_kept(make_client, token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    app = make_client(access=Access(token)).app
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in operations:
        # Without a parameter or a body nothing can be wrong with a request.
        has_input = operation.path == "/v1/classify"
        for mode in MODES if has_input else MODES[:1]:
            check_operation(operation, mode, headers)
    tried = {operation.path for operation in operations}
    assert tried >= {"/v1/classify", "/v1/state", "/stream.mjpg", "/metrics"}
